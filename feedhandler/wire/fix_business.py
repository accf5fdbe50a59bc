"""BusinessMessageReject (35=j): reasons (380) and the texts that QuickFIX gives with them."""

from typing import Final

OTHER: Final = 0
UNKNOWN_ID: Final = 1
UNKNOWN_SECURITY: Final = 2
UNSUPPORTED_TYPE: Final = 3
NOT_AVAILABLE: Final = 4
FIELD_MISSING: Final = 5
NOT_AUTHORIZED: Final = 6
FIRM_NOT_AVAILABLE: Final = 7

REASON_TEXT: Final = {
    OTHER: "Other",
    UNKNOWN_ID: "Unknown ID",
    UNKNOWN_SECURITY: "Unknown Security",
    UNSUPPORTED_TYPE: "Unsupported Message Type",
    NOT_AVAILABLE: "Application not available",
    FIELD_MISSING: "Conditionally Required Field Missing",
    NOT_AUTHORIZED: "Not Authorized",
    FIRM_NOT_AVAILABLE: "DeliverTo firm not available at this time",
}
