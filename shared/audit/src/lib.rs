//! Evidence in, findings out: what `murmur-audit` checks, as pure functions.
//!
//! What it does: it reads what nodes and coordinators keep (ledgers, round records, transcripts, the signed chain),
//! verifies every signature and link, computes every cost and every sum once more, and says what holds, what does
//! not, and what was not looked at ([`Findings`]).
//!
//! What it never does: it opens no file (a transcript it reads from what it is handed) and no socket, reads no clock,
//! needs no key and no libtorch, repairs nothing, and believes no number that it can compute: a charge is judged by
//! integer arithmetic of its own ([`ExactRho`]) and by opendp's map, a sum by unmasking it again, a version by the
//! published rule.
//!
//! Who uses it: the program `murmur-audit` (whoever has the files), tests of the whole swarm, and the learning
//! simulator, which writes the [`CanaryRecord`] that [`audit_canaries`] judges.
//!
//! Reading order: [`finding`](Findings) → [`exact`](ExactRho) → [`ledger`](audit_ledger) → [`round`](audit_round) →
//! [`reconcile`]; beside them [`budget`](curves), [`empirical`](audit_canaries)
//! and [`selftest`].

mod budget;
mod chain_file;
mod empirical;
mod exact;
mod finding;
mod ledger;
mod log;
mod reconcile;
mod round;
mod selftest;
mod transcript;

pub use budget::{Curve, curves, curves_of_terms, terms_of_plan};
pub use chain_file::{ChainFileError, read_chain_file};
pub use empirical::{
    Arm, ArmName, ArmReport, CANARY_FORMAT, CanaryClaim, CanaryRecord, Empirical, Errors, Estimate,
    Exposure, Fixed, Guesses, PlantedSecret, RecordError, RunTerms, Verdict, audit_canaries,
    chance_exposure, coin, exposure_under,
};
pub use exact::ExactRho;
pub use finding::{Finding, Findings, Level};
pub use ledger::{LedgerAudit, Spending, TaskSpending, audit_ledger};
pub use privacy::{Line, budget_of_ledger, budget_of_terms};
pub use reconcile::{LedgerFile, Reconciliation, Row, reconcile};
pub use round::{History, RoundAudit, audit_round, audit_transcript};
pub use selftest::{CHECKS, Check, SelfTest, check, selftest};
pub use transcript::{Contributions, Opener, TranscriptError, WholeTranscript};
