"""Sub-commands of factornet-etl that share stores: export, import, merge, list, card.

    card        factornet-etl card: print the card of a store
    listing     factornet-etl list: show or rebuild the catalogue of a folder of stores
    statements  options of export and of the cards of stores and models: licence, citation and contact
    transfer    factornet-etl export, import and merge: copy groups between stores

May import `cli.common` and what lies below it.
"""
