"""Read photographs; detect, align, parse and recognise the faces in them. One protocol each, with several backends."""
