"""Real photographs: read them, find the faces, align, parse and recognise them; one protocol each, several backends."""
