"""Download public inputs: resumable, from several servers, checked against published digests.

    digests    digests of downloads, of the kinds that publishers give: MD5, SHA-256, and git's of a file
    fetch      download public inputs: from the first server that works, resumed
    http_get   one GET request of a download, and its response: status, size, range, body
    models     find the published models in the registry, those that were fetched, and download one
    registry   read the registry of public inputs: resources/registry.json, or a file in the same form
    user_data  folder of the user for downloads that belong to no store: motifs, and models

May import only `factornet.store` and `factornet.etl.publish.disk_space`.
"""

from .fetch import DownloadedFile, download_files
from .registry import default_registry, read_registry, select_downloads

__all__ = ["DownloadedFile", "default_registry", "download_files", "read_registry", "select_downloads"]
