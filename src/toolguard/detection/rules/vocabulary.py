"""Words no one is called by, by kind: other languages' plain words, products by their endings, units, programming."""

# ruff: noqa: SIM905 - lists of words are kept as text, which a person can read and extend
from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["is_maker", "is_term"]

_FRENCH = (
    "le la les un une des du de et ou mais donc car ni que qui quoi dont est sont etait etaient sera ete etre avoir ont avait aucun aucune pas plus tres trop peu assez bien sans avec pour par sur sous "
    "dans chez entre depuis pendant avant apres des lors deja encore toujours jamais il elle on nous vous ils elles ce cet cette ces son sa ses leur leurs mon ma mes notre votre aime evite prend dit "
    "fait patient patiente malade medecin infirmiere dossier courriel telephone naissance adresse nom prenom lieu soins hopital clinique urgence urgences ordonnance traitement medicament medicaments "
    "douleur douleurs fievre toux fatigue fatigue essoufflement nausee vertiges tete ventre dos jambe bras coeur poumon foie rein sang urine tension taux debit resultat resultats examen antecedents "
    "allergie allergies allergique connu connue connus connues eleve elevee eleves elevees bas basse normal normale aigu aigue chronique droit droite gauche jour jours semaine semaines mois an ans "
    "annee annees heure heures matin soir midi minuit nuit jeun repas eau lait sel sucre creme brulee pain fromage gateau cafe deja-vu diabete tabac alcool grossesse enceinte vaccin rendez-vous"
)
_SPANISH = (
    "el la los las un una unos unas y o pero que quien cual como cuando donde porque es son era eran fue sera esta estan estaba ser estar tiene tienen tenia hay sin con para por sobre entre desde hasta "
    "hacia segun muy mas menos poco mucho mucha muchos muchas bien mal ya aun todavia siempre nunca tambien no si se le lo su sus mi mis tu tus nos usted ustedes ella ellos ellas este esta esto ese esa "
    "paciente medico enfermera doctor doctora nombre apellido apellidos fecha nacimiento direccion telefono correo seguro receta cita citas niega refiere presenta toma tome tomar traiga siga quiere "
    "dolor fiebre tos cansancio mareo mareos nausea vomito cabeza pecho espalda pierna brazo corazon pulmon higado rinon sangre orina presion nivel niveles azucar alto alta bajo baja sal dieta comida "
    "desayuno almuerzo cena agua leche pan medicina medicinas medicamento medicamentos pastilla pastillas tableta tabletas alergia alergias alergico alergica cirugia herida embarazo vacuna diabetes "
    "dia dias semana semanas mes meses ano anos hora horas manana tarde noche hoy ayer cada ocho doce antes despues derecho derecha izquierdo izquierda agudo cronico toracico signo signos control nino nina"
)
_GERMAN = (
    "der die das den dem des ein eine einen einem einer und oder aber nicht kein keine ist sind war waren wird hat haben hatte mit ohne fur von vom zum zur bei nach vor seit uber unter auf aus im am ins "
    "sehr auch nur noch schon sich sie er wir ihr patient patientin arzt schmerz schmerzen fieber husten kopf bauch rucken herz lunge leber niere blut druck blutdruck tablette tabletten taglich morgens "
    "abends nachts tag tage woche wochen monat monate jahr jahre links rechts kase brot brotchen musli milch wasser zucker salz erlaubt verboten allergie bekannt"
)
_PORTUGUESE = (
    "o os as um uma e ou mas nao sim com sem para por pelo pela do da dos das no na nos nas muito mais menos bem mal ja ainda sempre nunca ele ela eles elas seu sua dor febre tosse cabeca peito costas "
    "perna braco coracao pulmao figado rim sangue urina pressao remedio remedios comprimido comprimidos dia dias semana mes meses ano anos hoje ontem amanha manha tarde noite alergia gravida"
)
_ITALIAN = (
    "il lo gli i uno ed ma che chi non con senza per tra fra molto poco bene male anche gia ancora sempre mai dolore febbre tosse testa petto schiena gamba braccio cuore polmone fegato rene sangue urine "
    "pressione farmaco farmaci compressa compresse giorno giorni settimana mese mesi anno anni oggi ieri domani mattina sera notte allergia"
)
_OTHER = frozenset(" ".join((_FRENCH, _SPANISH, _GERMAN, _PORTUGUESE, _ITALIAN)).split())

_PROGRAMMING = frozenset(
    "null none nil undefined nan true false void const let var def class struct enum impl async await lambda yield import export extends implements interface namespace package public private protected static final abstract "
    "select insert update delete create alter drop from where join inner outer left right full group order having limit offset union distinct values into set table index view column primary foreign references default explain analyze "
    "concurrently vacuum commit rollback begin varchar integer bigint boolean timestamp jsonb info warn warning error debug trace fatal notice critical traceback exception keyerror valueerror typeerror runtimeerror "
    "localhost hostname endpoint webhook payload middleware backend frontend dockerfile makefile kubectl kubelet nginx kafka rabbitmq celery django flask fastapi uvicorn gunicorn hibernate hikaripool maven gradle webpack vite "
    "playwright pytest jest grafana prometheus jenkins terraform ansible helm vpn sso mfa dns tls ssl ssh sftp smtp imap http https tcp udp gpu cpu ram ssd usb wifi onboarding checklist laptop login logout signup username timestamp "
    "changelog readme config configs env prod staging dev qa regex stdin stdout stderr async airflow confluence kibana sentry pagerduty downtime uptime rollout failover retry retries timeout backoff".split()
)
_LAB = frozenset(
    "analyte analytes specimen leuk leukocyte esterase nitrite ketone ketones urobilinogen clarity hazy turbid mononuclear neutrophils lymphocytes monocytes eosinophils basophils metamyelocytes reticulocytes hematocrit sulfa menarche "
    "karyotype photophobia phonophobia claustrophobia affiant declarant lmp edd ega hida mrcp maew perrla eomi lima svg diag lumbar thoracic cervical sacral flexion extension abduction adduction rotation supination pronation coll collected rec'd recvd spec dx'd tx'd".split()
)
_ENDINGS = re.compile(
    r"(?:mab|inib|tinib|ciclib|parib|statin|sartan|olol|dipine|azole|cillin|mycin|micin|floxacin|cycline|gliptin|gliflozin|glutide|parin|xaban|gatran|triptan|setron|prazole|thiazide|semide|zepam|zolam|barbital|caine|dronate|"
    r"profen|coxib|lukast|terol|tropium|sone|olone|onide|amide|idine|amine|azine|pezil|antel|bactam|penem|ceph|cef\w{0,8}|vudine|navir|tegravir|buvir|ciclovir|asvir|platin|taxel|rubicin|mustine|fibrate|zosin|steride|"
    r"oxetine|triptyline|iprazole|peridone|etine|phylline|curium|curonium|flurane|dopa|giline|capone|lisib|rafenib|leucel|"
    r"itis|osis|oses|emia|aemia|uria|pathy|pathies|plasty|ectomy|otomy|ostomy|scopy|graphy|gram|grams|logy|logist|megaly|algia|pnea|penia|philia|rrhea|rrhage|trophy|plegia|paresis|sclerosis|stenosis|lysis|cyte|cytes|cytosis|"
    r"globin|globulin|kinase|ase|tomography|therapy|metry|genic|oma|omas|omata|dynia|phagia|phasia|taxia|trophic|tropic|"
    r"tion|tions|sion|sions|ment|ments|ness|ities|ability|ibility|ingly|ously|ively|ating|izing|ising|ifying|arding|acking|ecking|arked|ological|ographic)"
)
_MAKERS = frozenset(
    "roche abbott siemens philips beckman coulter medtronic stryker zimmer biomet baxter pfizer moderna novartis sanofi genentech amgen merck lilly bayer boehringer astrazeneca gilead biogen janssen teva mylan sandoz becton hologic "
    "illumina quidel cepheid thermo bio-rad olympus dexcom insulet tandem resmed respironics hillrom steris getinge draeger drager mindray nihon kohden epic cerner allscripts athena meditech omnicell pyxis alaris hospira fisher-price "
    "microsoft google apple amazon oracle cisco dell lenovo intel nvidia zoom slack teams jira okta splunk datadog grafana snowflake databricks tableau".split()
)
_UNITS = frozenset(
    "surg med onc ortho cardio peds psych gyn rehab tele pulm endo gastro derm uro nephro rheum heme neuro stepdown cath tier".split()
)
_INNER_CAPITAL = re.compile(r"[a-z][A-Z]")
_NAMES_WITH_ONE = re.compile(
    r"(?:Mc|Mac|De|Di|Da|La|Le|Van|Von|Fitz|O')[A-Z][a-z]+|[A-Z][a-z]+(?:Ann|Anne|Lynn|Lee|Beth|Jo|Marie|Mae)"
)


def is_maker(folded: str) -> bool:
    """Whether a word is the name of a maker of devices, drugs or software (and of families)."""
    return folded in _MAKERS


@lru_cache(maxsize=16384)
def is_term(word: str, folded: str) -> bool:
    """Whether a word that no list of names holds is a term: of another language, of medicine, of programming.

    ``ErrImagePull`` is one by its inner capital, ``Zanubrutinib`` by its ending.
    """
    if folded in _UNITS or folded in _OTHER or folded in _PROGRAMMING or folded in _LAB:
        return True
    if len(folded) > 5 and _tail(folded):
        return True
    return bool(_INNER_CAPITAL.search(word)) and not _NAMES_WITH_ONE.fullmatch(word)


def _tail(folded: str) -> bool:
    return any(_ENDINGS.fullmatch(folded, at) for at in range(max(2, len(folded) - 12), len(folded) - 2))
