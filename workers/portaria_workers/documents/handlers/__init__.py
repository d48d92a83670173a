"""The handlers of the documents domain."""

from portaria_workers.documents.handlers.exports import export_spreadsheet
from portaria_workers.documents.handlers.files import (
    cleanup_documents,
    process_document,
    process_file,
)
from portaria_workers.documents.handlers.pdf import (
    generate_daily_reports,
    generate_document,
    generate_report,
)

__all__ = [
    "cleanup_documents",
    "export_spreadsheet",
    "generate_daily_reports",
    "generate_document",
    "generate_report",
    "process_document",
    "process_file",
]
