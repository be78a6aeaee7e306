"""Motifs found by factor, among names of JASPAR, HOCOMOCO, CIS-BP and other collections."""

from __future__ import annotations

import numpy as np
import pytest

from factornet.model import Motif, find_motif
from factornet.model.motifs.formats import read_motifs
from factornet.model.motifs.names import find_motifs
from factornet.store.errors import UsageError


def named(*names: str) -> dict[str, Motif]:
    """Return motifs of these names, each ``name`` or ``name alternate``."""
    pairs = [(*n.split(" ", 1), "")[:2] for n in names]
    return {name: Motif(name, alternate, np.full((3, 4), 0.25)) for name, alternate in pairs}


@pytest.mark.parametrize(
    ("factor", "name"),
    [("CTCF", "CTCF_f2"), ("ctcf", "CTCF_f2"), ("MAX_f1", "MAX_f1"), ("max", "MAX_f1"), ("sp1_f2", "SP1_f2")],
)
def test_find_motif_by_either_name_in_any_case(factor, name):
    motifs = named("CTCF_f2 CTCF", "MAX_f1", "SP1_f1 SP1", "SP1_f2 SP1")
    assert find_motif(motifs, factor).name == name


@pytest.mark.parametrize(
    ("factor", "names", "best"),
    [
        ("CTCF", ["CTCFL_f1 CTCFL", "CTCF_f1 CTCF"], "CTCF_f1"),
        ("CTCF", ["CTCFL_HUMAN.H11MO.0.A", "CTCF_HUMAN.H11MO.0.A"], "CTCF_HUMAN.H11MO.0.A"),
        ("CTCF", ["CTCF_MOUSE.H11MO.0.A", "CTCF_HUMAN.H11MO.0.B"], "CTCF_HUMAN.H11MO.0.B"),
        ("CTCF", ["CTCF_HUMAN.H10MO.S", "CTCF_HUMAN.H10MO.A"], "CTCF_HUMAN.H10MO.A"),
        ("CTCF", ["CTCFL.H12CORE.0.P.A", "CTCF.H12CORE.0.P.B"], "CTCF.H12CORE.0.P.B"),
        ("CTCF", ["CTCF.H12CORE.0.P.B", "CTCF.H13CORE.0.P.B"], "CTCF.H13CORE.0.P.B"),
        ("CTCF", ["CTCF.H13CORE.1.PSM.A", "CTCF.H13CORE.0.P.B"], "CTCF.H13CORE.1.PSM.A"),
        ("CTCF", ["CTCF.H12INVIVO.1.SM.B", "CTCF.H12INVIVO.0.P.B"], "CTCF.H12INVIVO.0.P.B"),
        ("FOXA1", ["FOXA1.H12INVITRO.0.PSM.D", "FOXA1.H12RSNP.0.PSM.C"], "FOXA1.H12RSNP.0.PSM.C"),
        ("JUN", ["JUND_f1 JUND", "JUNB_f1 JUNB", "JUN_f1 JUN"], "JUN_f1"),
        ("JUN", ["MA0491.2 JUND", "MA0488.1 JUN", "MA0099.3 FOS::JUN"], "MA0488.1"),
        ("CTCF", ["UN0310.1 CTCF", "BP000001.1 CTCF", "MA1929.1 CTCF", "MA0139.2 CTCF"], "MA0139.2"),
        ("ZNF1", ["UN0311.1 ZNF1", "UN0310.2 ZNF1", "UN0310.1 ZNF1"], "UN0310.2"),
        ("CTCF", ["MA1929.1 CTCF", "MA0139.1 CTCF", "MA0139.2 CTCF"], "MA0139.2"),
        ("CTCF", ["MA1102.2.CTCFL", "MA0139.1.CTCF"], "MA0139.1.CTCF"),
        ("CTCF", ["CTCFL_MA1102.2", "CTCF_MA0139.1"], "CTCF_MA0139.1"),
        ("CTCF", ["MA1102.2 MA1102.2.CTCFL", "MA0139.1 MA0139.1.CTCF"], "MA0139.1"),
        ("NKX2-5", ["NKX2-8-MA0673.1", "NKX2-5-MA0063.2", "NKX2-5-MA0063.1"], "NKX2-5-MA0063.2"),
        ("RARA", ["MA0730.1 RARA(var.2)", "MA0159.1 RARA::RXRA", "MA0729.1 RARA"], "MA0729.1"),
        ("RARA", ["MA0159.1 RARA::RXRA", "MA0730.1 RARA(var.2)"], "MA0730.1"),
        ("Arnt", ["MA0006.1 Ahr::Arnt", "MA0004.1 Arnt"], "MA0004.1"),
        ("AHR", ["M1_2.00 (AHRR)_(Homo_sapiens)_(DBD_1.00)", "M2_2.00 (AHR)_(Homo_sapiens)_(DBD_0.97)"], "M2_2.00"),
        ("AHR", ["M1_2.00 (AHR)_(Mus_musculus)_(DBD_1.00)", "M2_2.00 (AHR)_(Homo_sapiens)_(DBD_0.97)"], "M2_2.00"),
        ("AHR", ["M1_2.00 (AHR)_(Homo_sapiens)_(DBD_0.93)", "M2_2.00 (AHR)_(Homo_sapiens)_(DBD_1.00)"], "M2_2.00"),
        ("MAX", ["M6340_1.02 MAX", "M6340_2.00 MAX"], "M6340_2.00"),
        ("E2F2", ["UP00001_2 E2F2_secondary", "UP00001_1 E2F2_primary"], "UP00001_2"),
        ("CTCF", ["AYAGTGCC BORIS(Zf)/K562-CTCFL-ChIP/Homer", "NCCACTAG CTCF(Zf)/CD4+-CTCF-ChIP/Homer"], "NCCACTAG"),
        ("CTCF", ["V$CTCFL_01", "V$CTCF_01"], "V$CTCF_01"),
        ("AHRR", ["AHR|cisbp|M08716_2.00", "AHRR|hocomoco12|AHRR.H12CORE.0.P.C"], "AHRR|hocomoco12|AHRR.H12CORE.0.P.C"),
        ("NKX2-5", ["NKX2_f1", "MA0063.2 NKX2-5"], "MA0063.2"),
        ("SP1", ["SP1_si SP1", "SP1_do SP1", "SP1_f2 SP1", "SP1_f1 SP1"], "SP1_f1"),
    ],
)
def test_best_motif_of_a_factor(factor, names, best):
    assert find_motif(named(*names), factor).name == best


@pytest.mark.parametrize(
    ("factor", "names"),
    [
        ("CTCF", ["CTCFL_f1 CTCFL", "MA1102.2 CTCFL", "CTCFL.H12CORE.0.P.B", "M1_2.00 (CTCFL)_(Homo_sapiens)"]),
        ("JUN", ["JUND_f1", "JUNB.H12CORE.0.PM.A"]),
        ("MYC", ["MYCN_f1 MYCN", "MA0104.4 MYCN"]),
        ("NKX2", ["MA0063.2 NKX2-5"]),
        ("TF", ["HTF4_f1 TCF12"]),
    ],
)
def test_prefix_of_another_factor_is_no_match(factor, names):
    with pytest.raises(UsageError, match=f"no motif for {factor} among {len(names)}; close names: "):
        find_motif(named(*names), factor)


@pytest.mark.parametrize(
    ("factor", "names", "best"),
    [
        ("MYC", ["MA0059.1 MAX::MYC", "MYC_f1 MYC"], "MYC_f1"),
        ("MYC", ["MYCN_f1", "MA0059.1 MAX::MYC"], "MA0059.1"),
        ("MAX", ["MA0059.1.MAX::MYC", "MA0058.3.MAX"], "MA0058.3.MAX"),
        ("FOS", ["JUN::FOS", "FOSL1_f2"], "JUN::FOS"),
        ("MYC::MAX", ["MAX_f1", "MA0059.1 MAX::MYC"], "MA0059.1"),
        ("GABP2", ["GABP1+GABP2_f1 GABP1+GABP2", "GABPA_f1 GABPA"], "GABP1+GABP2_f1"),
    ],
)
def test_dimers_only_where_nothing_else(factor, names, best):
    assert find_motif(named(*names), factor).name == best


def test_several_matches_are_listed_with_the_rule():
    found = find_motifs(named("MA1929.1 CTCF", "MA0139.1 CTCF", "CTCFL_f1", "MA0139.2 CTCF"), "CTCF")
    assert found.describe() == (
        "motifs of CTCF: MA0139.2 CTCF, MA0139.1 CTCF, MA1929.1 CTCF; MA0139.2 is used (by exact name, human, quality "
        "A to D, JASPAR's CORE, lowest index, newest version)"
    )
    assert find_motifs(named("MA1929.1 CTCF", "MA0139.1 CTCF"), "MA1929.1").describe() == ""
    dimer = find_motifs(named("MA0059.1 MAX::MYC"), "MAX").describe()
    assert dimer == "MAX has no motif of its own; it is part of: MA0059.1 MAX::MYC; MA0059.1 is used"
    group = find_motifs(named("AC0001:GATA/PROP:GATA", "AC0002:DLX/LHX:Homeodomain"), "GATA").describe()
    assert group == "GATA has no motif of its own; it is part of: AC0001:GATA/PROP:GATA; AC0001:GATA/PROP:GATA is used"
    alias = find_motifs(named("TYY1_f2", "TYY2_f1"), "YY1").describe()
    assert alias == "motifs of YY1 (TYY1 in UniProt): TYY1_f2; TYY1_f2 is used"


def test_find_motif_without_match_lists_names():
    motifs = named("FOXA1_f1 FOXA1", "FOXA2_f1 FOXA2", "CTCF_f2 CTCF", "FOXA2_si FOXA2")
    with pytest.raises(UsageError, match=r"no motif for FOXA3 among 4; close names: .*FOXA1"):
        find_motif(motifs, "FOXA3")
    with pytest.raises(UsageError, match=r"close names: none"):
        find_motif(motifs, "ZZZZZZ")
    with pytest.raises(UsageError, match=r"close names: FOXA2.H12CORE.0.P.A"):
        find_motif(named("FOXA2.H12CORE.0.P.A"), "FOXA3")


@pytest.mark.realdata
def test_every_factor_of_hocomoco_9_is_found_by_its_own_name(realdata):
    motifs = read_motifs(realdata / "annotation/HOCOMOCOv9.meme")
    for motif in motifs.values():
        found = find_motifs(motifs, motif.alternate or motif.name)
        assert motif.name in [m.name for m in found.motifs]
        assert found.best.alternate == motif.alternate
        assert find_motif(motifs, motif.name) is motif
    dream = (
        "ARID3A ATF2 ATF3 ATF7 CEBPB CREB1 CTCF E2F1 E2F6 EGR1 EP300 FOXA1 FOXA2 GABPA GATA3 HNF4A JUND MAFK MAX MYC "
        "NANOG REST RFX5 SPI1 SRF STAT3 TAF1 TCF12 TCF7L2 TEAD4 YY1 ZNF143"
    )  # the factors of the ENCODE-DREAM challenge
    missing = set()
    for factor in dream.split():
        try:
            find_motif(motifs, factor)
        except UsageError:
            missing.add(factor)
    assert missing == {"ATF7", "EP300", "RFX5"}
