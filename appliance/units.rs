//! Every long-running unit of the server on one page.
