"""Words around and inside names of people: titles, roles, cues, particles, degrees, and what is no name."""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re

__all__ = [
    "ASKED",
    "CONTEXT_GAP",
    "CREDENTIALS",
    "CUES",
    "INITIAL_GAP",
    "LEADS",
    "NEVER_ALONE",
    "NOT_AFTER",
    "PARTICLES",
    "RELEASE",
    "ROLES",
    "SPANNED",
    "STOP",
    "STRONG_CUES",
    "TITLES",
    "TRIGGERS",
    "VERBS",
]

TITLES = frozenset(
    "dr mr mrs ms don doña doctora maestro councillor mister missus miss mx prof professor sir madam mme mlle herr frau sr sra srta dra señor señora senor senora doctor rev reverend father fr pastor rabbi imam sgt capt lt col maj judge hon dame lady lord".split()
)
SPANNED = frozenset("dr mr mrs ms mx prof mme mlle sr sra srta dra".split())
ROLES = frozenset(
    "nurse surgeon attending physician resident intern fellow consultant therapist midwife pharmacist dietitian counselor psychologist psychiatrist "
    "cardiologist oncologist neurologist nephrologist radiologist pathologist pediatrician dermatologist hospitalist internist urologist "
    "patient pt pts client veteran guardian caregiver mother father mom dad son daughter brother sister wife husband spouse partner "
    "friend neighbor aunt uncle cousin niece nephew grandmother grandfather grandson granddaughter fiance fiancee roommate officer "
    "member subscriber beneficiary policyholder guarantor donor recipient participant subject employee manager technician caller clinician provider "
    "professional specialist paramedic coordinator interpreter witness student attn dear hi hello hey cc thanks regards sincerely signed paciente "
    "poc teacher grandson stepson stepdaughter stepmother stepfather nephew girlfriend boyfriend ex-wife ex-husband abuela abuelo tia tio suegra hermano hermana soy nieto nieta sobrino sobrina vet proband client "
    "señora señor enfermera madre padre hija hijo esposa esposo case".split()
)
CUES = frozenset(
    "named called name names known as by with like for from per about regarding re contact contacted to and or of ask asked tell told call calls meet met "
    "notified informed see saw seen spoke under w via is was that said says speaking here on include including patient's considering remind email text page paged "
    "message cc phoned emailed messaged texted greeting i'm im am it's prescribed consulted involving especially particularly specifically se llama llamado llamada con por para nombre meets sig".split()
)
STRONG_CUES = frozenset("named called name i'm im llama llamado llamada nombre attn dear".split())
PARTICLES = frozenset(
    "de da do dos das del della di du la le les los las van von der den ten ter bin binti ibn al el abu y e mac mc o san santa st".split()
)
CREDENTIALS = frozenset(
    "md do rn np pa pac phd lpn lcsw msw dds dmd dpm pharmd facs facp facc crnp aprn cnm ot pt dpt rd lmft psyd cna emt mph bsn msn dnp fnp arnp od dvm jr sr esq mbbs".split()
)
NOT_AFTER = frozenset(
    "disease disorder syndrome sign test score scale criteria classification index maneuver manoeuvre reflex phenomenon catheter tube stage staging fracture "
    "procedure operation repair lymphoma sarcoma tumor tumour palsy chorea dementia ataxia contracture esophagus thyroiditis nodule nodes node bodies body "
    "cell cells point line ulcer hernia tear drain drains device gait maneuvers manoeuvres discriminant protein proteins virus law laws classifications medium needle blade scissors retractor suction speculum stage "
    "angle grading grades grade plot statistic statistics correction distribution theorem network networks lamp chart visual-field pouch shunt graft osteotomy approach technique flap suture knot frame splint brace collar crutch "
    "bed walker ratio formulae gap trial study score scores scales signs tests diseases syndromes disorders fractures lesion lesions tumors fever rash spots spot crisis phenomenon paralysis deformity abscess diverticulum pouch esophagitis  duct gland ring position incision clamp forceps drain equation formula method stain law triad tetralogy pentad questionnaire "
    "inventory assessment exam examination anemia anaemia arteritis granulomatosis encephalopathy angina murmur effect rule staging contraction contractions method "
    "positive negative curve curves sinus sinuses plot estimate estimates analysis variant model models reaction agar filter transform regression survival habitus".split()
)
STOP = frozenset(
    "hospital clinic center centre medical health healthcare university college school institute department dept unit ward street st avenue ave road rd lane ln drive dr "
    "boulevard blvd court ct place way suite apt pharmacy laboratory lab labs inc llc ltd corp company foundation association society journal group services service care "
    "insurance medicare medicaid church park river lake county city town state north south east west new the a an this that these those his her their our my your its "
    "monday tuesday wednesday thursday friday saturday sunday january february march april june july august september october november december "
    "date time phone email fax address name dob mrn ssn npi id no yes male female man woman boy girl patient history plan assessment subjective objective "
    "dose daily tablet capsule english spanish french german chinese african american asian hispanic caucasian jewish muslim christian catholic "
    "from where join having into values select none unknown normal abnormal stable acute chronic mild moderate severe left right home band ilike like re reviewer pain mgmt management offered called proband asa hola yeah yes ok okay "
    "tagalog mandarin cantonese vietnamese korean japanese arabic russian portuguese somali hindi urdu farsi swahili amharic tigrinya hmong creole offered negativo positivo "
    "sure well so um uh micro subj union european sir madam team staff whom it may colleague colleagues doctor office everyone all there again today tomorrow tonight yesterday".split()
)
RELEASE = re.compile(r"\s(?:v\.?\s?)?\d{1,3}\.\d")
ASKED = frozenset(
    "i you he she they we it the a an my your his her our their this that these those there somebody someone anyone anybody insurance need not be cause".split()
)
INITIAL_GAP = (" ", ". ", ".", ".-", "-")
CONTEXT_GAP = re.compile(r"[ \t]{0,3}[:=|,(\"'/-]?[ \t\"'(]{0,3}\n?[ \t]{0,4}")
VERBS = frozenset(
    "will may can could has had have is was were see seen so in an my long do did does say says said day case call calls called states stated reports reported denies denied "
    "presents presented complains complained endorses endorsed feels felt wants asked asks needs went came lives takes took moved been being".split()
)
NEVER_ALONE = frozenset(
    "may april june august major general an in so my see junior king queen prince princess son man many else long loan dot star sun sunday season spring summer winter autumn star alpha "
    "beta delta sigma omega gamma era china page will hope mark bill grant case chance art echo gene rich young sage rose van don christian male female ward reason".split()
)
LEADS = ROLES | CUES
TRIGGERS = LEADS | TITLES
