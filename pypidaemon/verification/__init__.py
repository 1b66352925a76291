"""Whether everything that is stored is there and whole, what nobody needs any more, and how that is put right."""
