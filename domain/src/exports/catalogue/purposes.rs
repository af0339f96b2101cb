//! What personal fields are processed for: purpose, ground, retention and recipients together.

use super::{LegalBasis, Processing};

const UNTIL_ERASURE: &str = "Until the account is erased: its keys are destroyed then, and what is \
    sealed with them is noise in every copy of the log.";
const OPAQUE: &str = "As long as the log: an opaque id, which names nobody once the account is erased \
    (Art. 17(3)(b) and (e)).";

pub(super) const ACCOUNT: Processing = Processing {
    purpose: "Keep the account and show its holder's name",
    legal_basis: LegalBasis::Contract,
    retention: UNTIL_ERASURE,
    recipients: "The person; the name also whoever reads what the person publishes; admins",
};

pub(super) const LOGIN: Processing = Processing {
    purpose: "Let the holder in, and reach them about the account",
    legal_basis: LegalBasis::Contract,
    retention: UNTIL_ERASURE,
    recipients: "The person; for the address the mail server that is configured; nobody for the hash \
        of a password",
};

pub(super) const SESSIONS: Processing = Processing {
    purpose: "Show the holder who is logged in, end sessions, and find misuse of an account",
    legal_basis: LegalBasis::LegitimateInterests,
    retention: UNTIL_ERASURE,
    recipients: "The person; admins and auditors by the audit log",
};

pub(super) const COMMUNITY_LIFE: Processing = Processing {
    purpose: "Let the person found, join and find again communities",
    legal_basis: LegalBasis::Contract,
    retention: OPAQUE,
    recipients: "The person; who owns a community, everybody",
};

pub(super) const PUBLISHING: Processing = Processing {
    purpose: "Show what the person publishes to those who read it, and let them search it",
    legal_basis: LegalBasis::Contract,
    retention: UNTIL_ERASURE,
    recipients: "Everybody who reads the platform; members and admins who export public data, unless the \
        person objects to it or restricts it; of former texts the author and admins",
};

pub(super) const AUTHORSHIP: Processing = Processing {
    purpose: "Know whose a thing is, and who may change it",
    legal_basis: LegalBasis::Contract,
    retention: OPAQUE,
    recipients: "Everybody who reads the platform",
};

pub(super) const VOTING: Processing = Processing {
    purpose: "Order what is published, and count each voter once",
    legal_basis: LegalBasis::Contract,
    retention: OPAQUE,
    recipients: "The person; everybody the sums only",
};

pub(super) const MODERATION: Processing = Processing {
    purpose: "Moderate what is published, give reasons and hear appeals (DSA Art. 17 and 20)",
    legal_basis: LegalBasis::LegalObligation,
    retention: UNTIL_ERASURE,
    recipients: "The person whose content it is; admins and auditors",
};

pub(super) const ACCOUNTABILITY: Processing = Processing {
    purpose: "Be able to tell who changed what (Art. 5(2), Art. 32)",
    legal_basis: LegalBasis::LegitimateInterests,
    retention: OPAQUE,
    recipients: "Admins and auditors; of acts of moderation, which admin it was, everybody",
};

pub(super) const SECURITY: Processing = Processing {
    purpose: "Keep accounts and the platform secure, and find misuse (Art. 32)",
    legal_basis: LegalBasis::LegitimateInterests,
    retention: "Until the account is erased; where nobody is known, until the key of the day is \
        destroyed.",
    recipients: "Admins and auditors",
};

pub(super) const AUDITING: Processing = Processing {
    purpose: "Show who used the platform, from where, and what came of it (Art. 5(2), 32)",
    legal_basis: LegalBasis::LegitimateInterests,
    retention: "Accesses 90 days, logins and refusals a year, exports, consents and acts of admins five \
        years, incidents a year past the end of the case; until the account is erased, if that is sooner.",
    recipients: "Admins with the scope security, global admins, auditors",
};

pub(super) const DEFENDING: Processing = Processing {
    purpose: "Find attacks, end them, and know afterwards what happened (Art. 32, 33)",
    legal_basis: LegalBasis::LegitimateInterests,
    retention: "As long as the incident is needed to establish or defend legal claims (Art. 17(3)(e)); \
        the address of somebody who is known, until the account is erased.",
    recipients: "Admins with the scope security, global admins, auditors; ops without anything personal",
};

pub(super) const REGISTERING_BREACHES: Processing = Processing {
    purpose: "Keep the register of personal-data breaches, and tell who must be told (Art. 33, 34)",
    legal_basis: LegalBasis::LegalObligation,
    retention: "As long as the supervisory authority may ask for it (Art. 33(5)).",
    recipients: "Admins with the scope security, global admins, auditors; the supervisory authority",
};

pub(super) const RATING_ADDRESSES: Processing = Processing {
    purpose: "Know addresses that attack the platform, and refuse what comes from them",
    legal_basis: LegalBasis::LegitimateInterests,
    retention: "180 days after the address was last seen, or as long as it is on a list; then its key is \
        destroyed (IPR-15).",
    recipients: "Admins with the scope security, global admins, auditors",
};

pub(super) const SEARCHING: Processing = Processing {
    purpose: "Improve the search, and show what is searched for often",
    legal_basis: LegalBasis::Consent,
    retention: "As many days as AGORA_SEARCH_LOG_RETENTION_DAYS says, 90 by default. Without consent \
        nobody is named, and of an address only its network is kept.",
    recipients: "The person; admins and auditors; queries of five and more searchers, admins as sums",
};

pub(super) const ASKING_ONCE: Processing = Processing {
    purpose: "Carry a request out once where it is sent twice",
    legal_basis: LegalBasis::Contract,
    retention: "24 hours",
    recipients: "Nobody",
};

pub(super) const TELLING: Processing = Processing {
    purpose: "Tell people by mail what they must know or confirm",
    legal_basis: LegalBasis::Contract,
    retention: "Until the mail is sent, at most three days; mails that are files until an operator or \
        an erasure removes them.",
    recipients: "The person; the mail server that is configured",
};

pub(super) const INTEGRATING: Processing = Processing {
    purpose: "Connect outside services with secrets of the platform's own",
    legal_basis: LegalBasis::LegitimateInterests,
    retention: "Until the integration is removed and its key destroyed.",
    recipients: "Admins, masked; the service that is connected",
};

pub(super) const ANSWERING: Processing = Processing {
    purpose: "Answer what people ask about their own data, in time (Art. 12(3), 15 and 20)",
    legal_basis: LegalBasis::LegalObligation,
    retention: UNTIL_ERASURE,
    recipients: "The person; admins and auditors; for the address the mail server that is configured",
};

pub(super) const EXPORTED_FILES: Processing = Processing {
    purpose: "Hand over what was asked for",
    legal_basis: LegalBasis::LegalObligation,
    retention: "A person's own data 7 days from completion; statutory reports 90 days from the \
        request; then the file is purged and the entry stays.",
    recipients: "Who asked for it; of a statutory report, the organization's members",
};

pub(super) const REPORTING: Processing = Processing {
    purpose: "Report to the authority what an organization did, and let its people do so",
    legal_basis: LegalBasis::LegalObligation,
    retention: UNTIL_ERASURE,
    recipients: "The organization's members; the authority; global admins and auditors",
};

pub(super) const LIMITING: Processing = Processing {
    purpose: "Keep to the objections and restrictions that people set (Art. 18, 21), and be able to show it",
    legal_basis: LegalBasis::LegalObligation,
    retention: UNTIL_ERASURE,
    recipients: "The person; admins and auditors; whoever asks the gate, that there is one",
};

pub(super) const CONSENTING: Processing = Processing {
    purpose: "Show who consented to what, to which text, when, how and from where (Art. 7(1)), and who \
        accepted which policy",
    legal_basis: LegalBasis::LegalObligation,
    retention: UNTIL_ERASURE,
    recipients: "The person; admins and auditors; whoever processes on a consent, whether there is one",
};
