"""Korean PDFs: text in reading order, repaired, with headings, pages and a health report."""

from corpora.pdf.reader import PDF_VERSION, PdfResult, read_pdf

__all__ = ["PDF_VERSION", "PdfResult", "read_pdf"]
