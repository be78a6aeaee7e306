"""What the verification of a model folder finds."""

from pathlib import Path

from factornet.model.model_dir.verification.verify import verify_model


def kinds(folder: Path, *, of: str = "") -> dict[str, str]:
    """The findings of a folder that are not ok, or those of files whose names begin with `of`."""
    files = verify_model(folder).files
    return {f.path: f.kind for f in files if (f.path.startswith(of) if of else f.kind != "ok")}
