"""A cart of ENCODE as a folder to be served: the demo's signal and peaks, and a metadata.tsv of 30 files around them."""

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS = (
    "File accession|File format|File type|File format type|Output type|File assembly|Experiment accession|Assay|Donor(s)|"
    "Biosample term id|Biosample term name|Biosample type|Biosample organism|Biosample treatments|"
    "Biosample treatments amount|Biosample treatments duration|Biosample genetic modifications methods|"
    "Biosample genetic modifications categories|Biosample genetic modifications targets|Experiment target|"
    "Experiment date released|Project|Biological replicate(s)|Technical replicate(s)|Derived from|Size|Lab|md5sum|dbxrefs|"
    "File download URL|Genome annotation|Platform|Controlled by|File Status|s3_uri|Azure URL|File analysis title|"
    "File analysis status|Audit WARNING|Audit NOT_COMPLIANT|Audit ERROR"
).split("|")
ENCODE4, ENCODE3 = "ENCODE4 v1.6.1 GRCh38", "ENCODE3 GRCh38"
SUFFIXES = {"bigWig": "bigWig", "bam": "bam", "bed": "bed.gz", "bigBed": "bigBed", "fastq": "fastq.gz", "tsv": "tsv"}


def row(accession, form, output_type, experiment, cell, **more):
    """A row of the table, by the names of its columns; `more` with _ for spaces."""
    cells = dict.fromkeys(COLUMNS, "")
    cells |= {
        "File accession": accession, "File format": form.partition(" ")[0], "File type": form.partition(" ")[0],
        "File format type": form.partition(" ")[2], "Output type": output_type, "File assembly": "GRCh38",
        "Experiment accession": experiment, "Assay": "TF ChIP-seq", "Biosample term name": cell,
        "Biosample type": "cell line", "Biosample organism": "Homo sapiens", "Donor(s)": "/human-donors/ENCDO000AAC/",
        "Experiment date released": "2020-05-01", "Project": "ENCODE", "Biological replicate(s)": "1, 2",
        "Lab": "Richard Myers, HAIB", "File Status": "released", "File analysis title": ENCODE4,
        "File analysis status": "released", "Audit WARNING": "mild to moderate bottlenecking",
    }  # fmt: skip
    named = {name.replace("_", " "): value for name, value in more.items()}
    titles = {title.lower().replace("_", " "): title for title in COLUMNS}
    return cells | {next(t for low, t in titles.items() if low.startswith(n)): value for n, value in named.items()}


def peaks(accession, output_type, experiment, cell, target, **more):
    return row(accession, "bed narrowPeak", output_type, experiment, cell, experiment_target=f"{target}-human", **more)


def dnase(accession, form, output_type, experiment, cell, **more):
    return row(accession, form, output_type, experiment, cell, **{"assay": "DNase-seq", "biological": "1", **more})


CONSERVATIVE, IDR, OPTIMAL, PSEUDO = (
    f"{kind}IDR thresholded peaks" for kind in ("conservative ", "", "optimal ", "pseudoreplicated ")
)
DENSITY = "read-depth normalized signal"
ROWS = (
    dnase("ENCFF001DNA", "bigWig", DENSITY, "ENCSR001DNA", "HepG2"),
    dnase("ENCFF002DNA", "bigWig", DENSITY, "ENCSR001DNA", "HepG2", biological="2"),
    dnase("ENCFF003DNA", "bam", "alignments", "ENCSR001DNA", "HepG2"),
    dnase("ENCFF004DNA", "bam", "unfiltered alignments", "ENCSR001DNA", "HepG2"),
    dnase("ENCFF005DNA", "bigWig", "raw signal", "ENCSR001DNA", "HepG2", file_assembly="hg19"),
    dnase("ENCFF006DNA", "bigWig", DENSITY, "ENCSR002DNA", "K562"),
    dnase("ENCFF007DNA", "fastq", "reads", "ENCSR002DNA", "K562", file_assembly=""),
    dnase("ENCFF008DNA", "bed bed3+", "peaks", "ENCSR002DNA", "K562"),
    peaks("ENCFF009CTC", CONSERVATIVE, "ENCSR009CTC", "HepG2", "CTCF"),
    peaks("ENCFF010CTC", PSEUDO, "ENCSR009CTC", "HepG2", "CTCF"),
    row("ENCFF011CTC", "bigBed narrowPeak", CONSERVATIVE, "ENCSR009CTC", "HepG2", experiment_target="CTCF-human"),
    peaks("ENCFF012CTC", CONSERVATIVE, "ENCSR009CTC", "HepG2", "CTCF", file_analysis_title=ENCODE3),
    peaks("ENCFF013CTC", OPTIMAL, "ENCSR009CTC", "HepG2", "CTCF", file_assembly="hg19"),
    row("ENCFF014CTC", "bigWig", "signal p-value", "ENCSR009CTC", "HepG2", experiment_target="CTCF-human"),
    peaks("ENCFF015CTC", CONSERVATIVE, "ENCSR015CTC", "HepG2", "CTCF", experiment_date="2013-01-01"),
    peaks("ENCFF016CTC", PSEUDO, "ENCSR015CTC", "HepG2", "CTCF", experiment_date="2013-01-01"),
    peaks("ENCFF017MAX", IDR, "ENCSR017MAX", "HepG2", "MAX"),
    peaks("ENCFF018MAX", PSEUDO, "ENCSR017MAX", "HepG2", "MAX"),
    peaks("ENCFF019CTC", CONSERVATIVE, "ENCSR019CTC", "K562", "CTCF"),
    peaks("ENCFF020CTC", PSEUDO, "ENCSR019CTC", "K562", "CTCF"),
    peaks("ENCFF021CTC", PSEUDO, "ENCSR019CTC", "K562", "CTCF", biological="1"),
    peaks("ENCFF022MAX", OPTIMAL, "ENCSR022MAX", "K562", "MAX", file_analysis_title=ENCODE3),
    peaks("ENCFF023MAX", PSEUDO, "ENCSR022MAX", "K562", "MAX", file_status="archived"),
    row("ENCFF024CON", "bam", "alignments", "ENCSR024CON", "K562", assay="Control ChIP-seq"),
    peaks("ENCFF025GAB", CONSERVATIVE, "ENCSR025GAB", "K562", "GABPA", audit_error="extreme low read depth"),
    peaks("ENCFF026CTC", CONSERVATIVE, "ENCSR026CTC", "HepG2", "CTCF", biosample_treatments="dexamethasone",
          biosample_treatments_amount="100 nM"),
    peaks("ENCFF027ZNF", IDR, "ENCSR027ZNF", "K562", "eGFP-ZNF24", biosample_genetic_modifications_methods="CRISPR",
          biosample_genetic_modifications_categories="insertion"),
    peaks("ENCFF028H3K", "replicated peaks", "ENCSR028H3K", "K562", "H3K27ac", assay="Histone ChIP-seq"),
    peaks("ENCFF029YY1", CONSERVATIVE, "ENCSR029YY1", "K562", "YY1", file_status="revoked"),
    row("ENCFF030RNA", "tsv", "gene quantifications", "ENCSR030RNA", "K562", assay="total RNA-seq"),
)  # fmt: skip
TAKEN = {  # accession -> its source in the demo
    "ENCFF001DNA": "HepG2/HepG2.DGF.bw",
    "ENCFF006DNA": "K562/K562.DGF.bw",
    "ENCFF009CTC": "HepG2/ChIPseq.HepG2.CTCF.conservative.train.narrowPeak.gz",
    "ENCFF010CTC": "HepG2/ChIPseq.HepG2.CTCF.relaxed.narrowPeak.gz",
    "ENCFF017MAX": "HepG2/ChIPseq.HepG2.MAX.conservative.train.narrowPeak.gz",
    "ENCFF018MAX": "HepG2/ChIPseq.HepG2.MAX.relaxed.narrowPeak.gz",
    "ENCFF019CTC": "K562/ChIPseq.K562.CTCF.conservative.train.narrowPeak.gz",
    "ENCFF020CTC": "K562/ChIPseq.K562.CTCF.relaxed.narrowPeak.gz",
    "ENCFF022MAX": "K562/ChIPseq.K562.MAX.conservative.train.narrowPeak.gz",
}
"""Files that the rules take from `ROWS` for GRCh38, with what the demo has in their place."""


@dataclass
class ServedCart:
    """Files of a cart in a folder, to be served under any address.

    Attributes:
        folder: ``files/ACCESSION/@@download/ACCESSION.SUFFIX``.
        rows: of the table; sizes and digests are those of the files, addresses are missing.
    """

    folder: Path
    rows: list[dict[str, str]] = field(default_factory=list)

    def table(self, url, *, mirror="") -> str:
        """The text of metadata.tsv of files at an address, and of their copies at another."""
        lines = ["\t".join(COLUMNS)]
        for r in self.rows:
            path = f"/files/{r['File accession']}/@@download/{file_name(r)}"
            addresses = {"File download URL": url + path, "Azure URL": mirror + path if mirror else ""}
            lines.append("\t".join({**r, **addresses}[c] for c in COLUMNS))
        return "\n".join(lines) + "\n"


def file_name(cells) -> str:
    return f"{cells['File accession']}.{SUFFIXES[cells['File format']]}"


def write_cart(folder, demo_files) -> ServedCart:
    """Write the files of the cart: the demo's where the rules take a file, a few bytes elsewhere."""
    cart = ServedCart(folder)
    for cells in ROWS:
        accession = cells["File accession"]
        path = folder / "files" / accession / "@@download" / file_name(cells)
        path.parent.mkdir(parents=True)
        if accession in TAKEN:
            shutil.copy(demo_files / "cells" / TAKEN[accession], path)
        else:
            path.write_text(f"{accession}, not to be downloaded\n")
        content = path.read_bytes()
        cart.rows.append({**cells, "Size": str(len(content)), "md5sum": hashlib.md5(content).hexdigest()})
    return cart
