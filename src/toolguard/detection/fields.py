"""What the name of a field says about its value: one table for JSON keys, form labels, columns and logs.

A name is cut into words (``patientLastName``, ``patient-last-name``, ``Patient last name`` are the same) and
looked up whole, then without leading words, so that ``emergency_contact_phone`` is a phone.
"""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["LABEL_ENDS", "SAFE", "field_type", "is_weak", "name_words", "type_of_words"]

SAFE = "-"
"""The field holds a code, a unit or a status: no identifier, whatever it looks like."""

_TABLE: dict[str, str] = {
    "PERSON": """name:? full name|first|last|first name|last name|middle name|given name|family name|surname|maiden name|patient name
        patient|pt|pt name|client name|member name|subscriber name|insured name|guarantor|guarantor name|beneficiary name
        provider|provider name|physician|physician name|doctor|doctor name|dr|attending|attending physician|surgeon
        practitioner|practitioner name|clinician|clinician name|nurse|nurse name|therapist|pharmacist|pcp|consultant
        referring provider|referring physician|referring|ordering provider|primary care provider|performer|author name
        caller|caller name|contact name|contact person|emergency contact|emergency contact name|next of kin|nok|guardian
        guardian name|mother|father|mother name|father name|mothers maiden name|spouse|spouse name|partner name|son|daughter|brother|sister
        wife|husband|relative|caregiver|employee name|user full name|display name|nickname|pt first|pt last|patient first|patient last|first nm|last nm|patient nm|pat name|pat nm|patnm|ptnm|pt nm|fname|lname|mname|poc|point of contact|coordinator|study coordinator|pi|principal investigator|sponsor contact|proband|client|claimant|insured|vet|resident name|teacher|parent|parent name|petitioner|respondent|plaintiff|defendant|decedent|informant|aka|f k a|formerly|signer|collector|phlebotomist|submitting|submitting physician|submitted by|read by|verified by|called to|notified|firstname|lastname
        middlename|fullname|patientname|signed by|signed|seen by|reviewed by|dictated by|electronically signed by|prepared by
        authored by|recipient name|sender name|account holder|card holder|cardholder|cardholder name|customer name|customer
        person|person name|witness|interpreter|student name|driver name|assigned to|requested by|ordered by|referred by
        examiner|reporter|transcribed by|attn|cc name|paciente|nombre|nombre completo|apellido|apellidos|medico|doctora|nom|prenom|vorname|nachname
        treating professional|treating physician|family member|preferred name|alias|legal name|technician|operator name""",
    "DATE_OF_BIRTH": """dob|d o b|date of birth|birth date|birthdate|birthday|birth|born|born on|fecha de nacimiento
        date de naissance|geburtsdatum|nacimiento|bday""",
    "DATE": """date of death|death date|deceased|deceased date|dod|admission date|admit date|discharge date|service date|date of service|dos
        visit date|visit|appointment|appointment date|encounter date|exam date|collected|collection date|procedure date|surgery date
        date of admission|date of discharge|date of visit|date|fecha|seen on|scheduled for|follow up date|admitted|discharged|expiry date""",
    "MRN": """mrn|m r n|medical record|medical record number|mr|mr no|mr number|medical record no|medical record id|med rec|med rec no|med rec number|chart|chart number
        chart no|chart id|chart key|record number|record no|record|rec|rec no|hospital number|hosp|hosp no|hosp number|unit no|emr|emr number|emr no|empi|id band|unit number|patient mrn|dossier|no de dossier
        historia clinica|nhc|health record|health record number|file number|epic id|nhs number|nhs no|nhs""",
    "HEALTH_PLAN_ID": """member id|member number|member no|member|subscriber id|subscriber number|policy number|policy|policy no|policy id
        insurance id|insurance number|insurance|insurance no|insurance member id|insurance policy|ins|ins id|ins no|health plan|health plan id|health plan number
        health plan beneficiary number|plan id|plan identifier|plan member id|beneficiary|beneficiary id|beneficiary number|medicare id|medicare number
        medicare|medicaid|medicaid id|medicaid number|mbi|hic|hicn|hpbn|group|grp|grp no|group number|group id|group no|prior auth|prior authorization
        prior auth number|authorization number|auth number|auth code number|hp|health insurance|health insurance id|hmo|coverage id|payer id number|insured id""",
    "ACCOUNT": """account|account number|account no|account reference|account ref|acct|acct number|acct no|billing account|billing account number|billing reference|billing id
        patient account|patient account number|bank account|bank account number|claim|claim id|claim number|claim no|invoice|invoice number|invoice no
        iban|routing|routing number|aba|aba number|swift|bic|sort code|csn|har|guarantor account|guarantor number|payment id|transaction id
        transaction|order confirmation|bill number""",
    "CREDIT_CARD": "credit card|credit card number|card number|card no|debit card|cc number|card|pan|ccn",
    "LICENSE": """badge no|clia|clia number|clia no|medical license no|rn license|license|licence|license number|licence number|license no|driver license|drivers license|driver licence|driver license number
        drivers license number|dl|dl number|dln|certificate number|certificate|medical license|state license|license id|lic|lic no""",
    "NPI": "npi|npi number|provider npi|national provider identifier",
    "DEA": "dea|dea number|dea no|dea registration",
    "VEHICLE": """vin|vehicle id|vehicle identification number|vehicle|license plate|licence plate|plate|plate number|registration plate
        vehicle registration|tag number|plate no""",
    "DEVICE": """device id|device identifier|device serial|device serial number|serial|serial number|serial no|s n|sn|ser no|ser|lot|lot no|implant id|generator serial|pacemaker|implant|lead serial|asset tag|imei no|sensor|sensor id|sensor serial|transmitter|transmitter id|pump|pump id|monitor|monitor id|udi|imei|imsi|meid|device
        implant serial|implant serial number|lot number|mac|mac address|pacemaker serial|pump serial|hardware id|advertising id|idfa""",
    "BIOMETRIC": "biometric|biometric id|fingerprint|fingerprint id|voiceprint|voice print|retina scan|iris scan|faceprint|face id template",
    "PHOTO": "photo|photograph|picture|headshot|face image|portrait|patient photo|avatar",
    "SSN": """ssn|s s n|social|social security|social security number|social security no|ss number|soc sec|soc sec number|last4|last 4|last four|ssn last four|last four of social|last 4 of social|last four of ssn|last 4 of ssn|last four ssn|last four social|ssn last4|ssn last 4|last4 ssn
        tax id|tin|itin|sin|national id|national identification number""",
    "ID": """id number|patient id|patient identifier|patient number|patient no|pt id|client id|client number|person id|case number|case no|case id|encounter id
        encounter number|visit id|visit number|specimen id|specimen|specimen number|accession|accession number|accession no|sample id|order number|order no
        order id|order|ord|order ref|po number|po|rx|rx no|prescription|kit|kit number|kit no|kit id|tech id|operator id|requisition id|req|req no|req number|req id|acc no|acc|acc id|accn
        conf|conf no|conf code|conf number|confirmation id|ref|ref no|your ref|our ref|reference|reference id|sample|sample number|sample no|barcode|slide|block|cassette|ticket|ticket no|ticket id|task id|enc id|enc no|encounter|fin|fin number
        dispatch number|incident number|incident no|incident|run number|pcr number|screening number|screening no|randomization no|randomization id|randomisation number|randomization number|rand no|subj|subj no|subject number|subject no|subject|proband id|family id|pedigree id|edipi|dod id|employee no|emp id|staff id|staff no
        rx number|rx no|prescription number|prescription id|referral number|referral id|referral|ref code|reference code|confirmation number|confirmation code|confirmation
        ticket number|passport|passport number|passport no|visa number|badge number|badge|employee id|employee number|student id|study id|subject id
        participant|participant no|participant number|patient id no|susar case|participant id|user id|userid|user|username|user name|login|login name|screen name|enrollment id|donor id|registration number|appointment id|beneficiary uid|user id number|external id|identifier|requisition
        requisition number|tracking number|reference number|ref no|ref number|military id|voter id|union number|dni|nie|curp|cpf|aadhaar|pan number|site id|id no|id""",
    "PHONE": """area code|phone area|phone exchange|phone prefix|phone line|line number|phone|phone number|phone no|cb|call back|tel no|ext|xtn|ph|fon|telephone|telephone number|tel|mobile|mobile number|mobile phone|cell|cell phone|cell number|home phone|work phone
        callback|callback number|call back number|contact number|contact phone|contact no|day phone|evening phone|pager|pager number|beeper|sms|text number
        whatsapp|landline|desk|phone home|phone work|phone mobile|telefono|telephone no|emergency phone|office phone|movil|tlf|hotline|extension""",
    "FAX": "fax|fax number|fax no|facsimile",
    "EMAIL": "email|e mail|email address|e mail address|mail|electronic mail|contact email|correo|correo electronico|courriel|user email|emails",
    "URL": "personal url|website|homepage|web site|profile url|patient portal|portal url|portal link|linkedin|facebook",
    "IP_ADDRESS": "ip|ip address|ip addr|ipv4|ipv6|client ip|remote ip|source ip|src ip|remote addr|remote address|host ip|device ip|device ip address|x forwarded for|login ip|session ip|remote session ip",
    "ADDRESS": """address|street|street address|address line|address line1|address line2|address line 1|address line 2|address1|address2|addr|addr1|addr2
        home address|mailing address|residence|residence address|home|lives at|street1|street2|line1|line2|shipping address|billing address|ship to
        direccion|domicilio|adresse|anschrift|po box|residential address|permanent address|work address|pickup address|dropoff address|address of record""",
    "ZIP": "zip|zip code|zipcode|postal code|postcode|postalcode|zip4|plz|codigo postal|code postal",
    "LOCATION": "city|town|village|county|municipality|birth place|birthplace|place of birth|hometown|city of residence|lives in|residence city|borough|parish|district|neighborhood|ciudad|ville",
    "FACILITY": """facility|facility name|hospital|hospital name|clinic|clinic name|practice name|site name|care site|lieu de soins|snf|alf|ltac|pcp office|medical center|pharmacy
        pharmacy name|lab name|nursing home|admitting facility|referring facility|employer|employer name|school|school name|organization name
        hospital de|centro de salud|krankenhaus""",
    "AGE": "age|pt age|age yrs|age at death|patient age|age years|age in years|edad|alter",
    "SECRET": """password|passwd|pwd|secret|client secret|api key|apikey|api token|access token|refresh token|auth token|bearer token|id token|token secret
        private key|secret key|access key|session token|passphrase|authorization|x api key|connection string|credentials|pin code""",
    SAFE: """icd|icd9|icd10|icd 10|icd10 code|cpt|hcpcs|loinc|snomed|snomed code|rxnorm|rxcui|ndc|cvx|unii|code|codes|system|display|unit|units|status|state code
        resource type|resourcetype|type|version|version id|language|lang|mime type|content type|priority|intent|mode|severity|gender|sex|model|temperature
        max tokens|tool|tool name|tools|function|function name|method|schema|format|currency|locale|timezone|tz|encoding|operation|op|action name
        diagnosis code|procedure code|drug code|modifier|value unit|linkid|profile|country|country code|nct|nct id|pmid|pmcid|doi|isbn|page|page size|limit|offset|sort|score
        schedule|event type|event|level|log level|http status|status code|port|trace id|span id|traceparent|batch|batch size|width|height|seed|port|pid|retry|retries|attempt|duration|elapsed|latency|commit|sha|checksum|hash|digest|uuid|guid|tool call id|call id|request id|run id""",
}  # fmt: skip

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SPLIT = re.compile(r"[^A-Za-z0-9#]+")
_FIELDS: dict[str, str] = {}
for _type, _names in _TABLE.items():
    for _line in _names.replace(":?", "|").splitlines():
        for _name in _line.split("|"):
            if _name.strip():
                _FIELDS.setdefault(_name.strip(), _type)
# These say too little alone: "name" may be a drug's, "id" a row's, "home" and "record" anything.
_WEAK = frozenset(
    "name first last user patient pt dr provider record rec chart home date visit id identifier member policy insurance ins plan card account claim office "
    "device school social vehicle nurse mother father son daughter brother sister wife husband partner mail desk birth born "
    "mr ser sn lot hosp emr sensor transmitter pump monitor implant pacemaker group grp confirmation conf participant ref reference rx kit acc req order ord po sample barcode slide block cassette ticket encounter fin incident subject subj prescription ph cb ext tech referral specimen transaction case person customer contact operator reporter author admitted discharged extension token "
    "state session facility clinic hospital pharmacy photo picture badge order address line region code type pan bic sin lic mac tag certificate "
    "signed medicare medicaid hmo hp appointment referring consultant doctor physician guardian caller relative event model system tool level "
    "schedule method function op mode".split()
)
_LAST_WORDS = frozenset(name.rpartition(" ")[2] for name in _FIELDS)
_NUMBERISH = frozenset("num nr no number nbr id identifier code #".split())


def name_words(name: str) -> str:
    """A field name as lower-case words joined by a space: ``patientMRN`` → ``patient mrn``."""
    if not name.isascii():
        from toolguard.detection.normalise import fold  # rare; keeps this module free of imports

        name = fold(name)
    return " ".join(_SPLIT.sub(" ", _CAMEL.sub(" ", name.replace("'s", "s"))).lower().split())


def is_weak(words: str) -> bool:
    """Whether a label of these words needs a separator after it to count in running text."""
    return words in _WEAK


LABEL_ENDS = _LAST_WORDS | _NUMBERISH
"""Every name of a field ends in one of these words."""


@lru_cache(maxsize=2048)
def _lookup(words: str) -> str | None:
    if words in _FIELDS:
        return _FIELDS[words]
    parts = words.split(" ")
    if parts[-1] not in _LAST_WORDS and parts[-1] not in _NUMBERISH:
        return None
    if parts[-1] in _NUMBERISH and len(parts) > 1:
        base = " ".join(parts[:-1])
        if _FIELDS.get(base) not in (None, "PERSON", SAFE, "DATE"):
            return _FIELDS[base]
    for skip in range(1, len(parts)):
        tail = " ".join(parts[skip:])
        found = _FIELDS.get(tail)
        if found is not None and (found == SAFE or len(parts) - skip > 1 or tail not in _WEAK):
            return found
    return None


def type_of_words(words: str) -> str | None:
    """`field_type` of a name that is cut into lower-case words already."""
    return _lookup(words) if len(words) <= 48 else None


def field_type(name: str) -> str | None:
    """The type a field of this name holds, `SAFE` for codes and the like, None if the name says nothing.

    Only names that look like names are looked up (and remembered): an identifier used as a key is not one.
    """
    if len(name) > 48 or sum(map(str.isdigit, name)) > 2:
        return None
    return _of_key(name)


@lru_cache(maxsize=2048)
def _of_key(name: str) -> str | None:
    return _lookup(name_words(name))
