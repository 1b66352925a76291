"""Who built a file, where that is signed (PEP 740): checked without asking anybody but the index that the file is from."""
