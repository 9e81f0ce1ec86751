"""Korean PDFs: text in reading order, repaired, with headings, pages and a health report."""

from corpora.pdf.cache import pdf_identity, read_pdf_cached, read_pdfs
from corpora.pdf.health import main_health
from corpora.pdf.isolate import PdfJob, read_pdf_isolated
from corpora.pdf.reader import PDF_VERSION, PdfResult, read_pdf

__all__ = [
    "PDF_VERSION",
    "PdfJob",
    "PdfResult",
    "main_health",
    "pdf_identity",
    "read_pdf",
    "read_pdf_cached",
    "read_pdf_isolated",
    "read_pdfs",
]
