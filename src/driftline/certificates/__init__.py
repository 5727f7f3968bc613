"""Signed certificates: a certification document that can be checked offline, by anyone, with a key.

An in-toto statement about the files of base and tuned model, whose predicate is the whole document,
as canonical JSON in a DSSE envelope, signed with Ed25519. The only room that knows cryptography.
"""

from ._canonical import canonical_json as canonical_json
from ._canonical import parse_canonical_json as parse_canonical_json
from ._canonical import parse_json as parse_json
from ._certification import CertifiedDocument as CertifiedDocument
from ._certification import FileDigest as FileDigest
from ._certification import read_certification as read_certification
from ._certified_files import file_digest as file_digest
from ._certified_files import file_faults as file_faults
from ._claims import claim_faults as claim_faults
from ._envelope import PAYLOAD_TYPE as PAYLOAD_TYPE
from ._envelope import Envelope as Envelope
from ._envelope import pre_authentication_encoding as pre_authentication_encoding
from ._envelope import read_envelope as read_envelope
from ._envelope import write_envelope as write_envelope
from ._keys import generate_key as generate_key
from ._keys import is_signature_of as is_signature_of
from ._keys import key_id as key_id
from ._keys import private_key_pem as private_key_pem
from ._keys import public_key_pem as public_key_pem
from ._keys import read_private_key as read_private_key
from ._keys import read_public_key as read_public_key
from ._signing import seal as seal
from ._signing import sign_certification as sign_certification
from ._statement import MAX_VALID_DAYS as MAX_VALID_DAYS
from ._statement import Statement as Statement
from ._statement import Validity as Validity
from ._statement import read_statement as read_statement
from ._statement import write_statement as write_statement
from ._verification import AskedSuite as AskedSuite
from ._verification import Evidence as Evidence
from ._verification import WatchedCapability as WatchedCapability
from ._verification import verify_certificate as verify_certificate
