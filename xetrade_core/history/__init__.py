"""What venues keep of the past, brought into the lake: funding, page by page, and files that people bring."""
