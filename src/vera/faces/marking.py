"""The mark in an output file that says how the picture came about, as programs and platforms read it: XMP with IPTC's Digital Source Type.

The packet holds this term and the name of the tool, and nothing else: no date, no version, no id. Terms are those of the IPTC NewsCodes
vocabulary (http://cv.iptc.org/newscodes/digitalsourcetype/, as modified on 2024-10-23).
"""

from __future__ import annotations

TOOL = "VerA"
VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
EDITED_BY_GENERATIVE_AI = VOCABULARY + "compositeWithTrainedAlgorithmicMedia"
"""Correction using a generative model, such as inpainting."""
COMPOSITE_WITH_SYNTHETIC = VOCABULARY + "compositeSynthetic"
"""A composite of several elements, of which one at least is synthetic."""
ALTERED_BY_ALGORITHM = VOCABULARY + "algorithmicallyEnhanced"
"""Modified by an algorithm that a person started; nothing is made up."""
TERMS = (EDITED_BY_GENERATIVE_AI, COMPOSITE_WITH_SYNTHETIC, ALTERED_BY_ALGORITHM)

PNG_KEYWORD = "XML:com.adobe.xmp"
"""Keyword of the ``iTXt`` chunk that holds XMP in a PNG (XMP specification, part 3)."""
PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:CreatorTool="{tool}"
    Iptc4xmpExt:DigitalSourceType="{term}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def packet(term: str) -> str:
    """The XMP packet that marks a picture; the same term gives the same text.

    Args:
        term: full address of a term in :data:`TERMS`.

    Raises:
        ValueError: another term, which would say something untrue.

    Examples:
        >>> from vera.faces.marking import COMPOSITE_WITH_SYNTHETIC, packet
        >>> "compositeSynthetic" in packet(COMPOSITE_WITH_SYNTHETIC)
        True

    """
    if term not in TERMS:
        raise ValueError(f"no renderer makes a '{term}'")
    return PACKET.format(tool=TOOL, term=term)
