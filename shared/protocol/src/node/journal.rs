//! The node's memory of one round: what it answered, to be answered again with the same bytes.
//!
//! An answer is persisted before it is sent. Whoever asks the same again gets the same bytes;
//! whoever asks differently gets nothing. After a restart the ephemeral secrets are gone, so
//! that is all that still happens in the round (ARCHITECTURE.md, *A round*: restart rule).

use privacy::Ledger;
use serde::{Deserialize, Serialize};
use wire::{Checked, Contribution, Plan, PlanHash, Round, Signed, ToCoordinator, ToNode};

/// The present or last round of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    round: Round,
    plan: Option<PlanHash>,
    answers: Vec<Answer>,
    ended: bool,
    unfinished: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    question: Question,
    message: ToCoordinator,
}

/// What was answered, by the hash of what was asked; a set of signatures is not told apart from
/// another set for the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Question {
    Plan,
    Roster([u8; 32]),
    Inbox([u8; 32]),
    Consistencies,
    Survivors([u8; 32]),
    Agreements,
}

impl Question {
    fn of(message: &ToNode) -> Option<Self> {
        Some(match message {
            ToNode::Plan(_) => Self::Plan,
            ToNode::Roster(roster) => Self::Roster(roster.hash()),
            ToNode::Inbox(inbox) => Self::Inbox(inbox.closed.hash()),
            ToNode::Consistencies(_) => Self::Consistencies,
            ToNode::Survivors(survivors) => Self::Survivors(survivors.hash()),
            ToNode::Agreements(_) => Self::Agreements,
            ToNode::Result(_) | ToNode::LaterHead(_) | ToNode::Members(_) => return None,
        })
    }

    fn same_kind(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// Whether a message asks what was answered before.
pub(super) enum Repeat {
    /// It is new.
    No,
    /// The same question: the same answer.
    Same(ToCoordinator),
    /// Another question where only one has an answer.
    Contradicts,
}

impl Journal {
    /// The round's attempt number.
    pub fn round(&self) -> Round {
        self.round
    }

    /// How many charged rounds in a row have ended without a sum that this node is in.
    pub fn unfinished(&self) -> u32 {
        self.unfinished + u32::from(!self.ended && self.contribution().is_some())
    }

    pub(super) fn plan(&self) -> PlanHash {
        self.plan.unwrap_or(PlanHash([0; 32]))
    }

    /// What is sent again after a restart or to a coordinator that has forgotten.
    pub(super) fn answers(&self) -> impl Iterator<Item = &ToCoordinator> {
        self.answers.iter().filter(|_| !self.ended).map(|answer| &answer.message)
    }

    pub(super) fn begin(&mut self, plan: &Checked<Plan>) {
        let unfinished = self.unfinished();
        let (round, plan) = (plan.round, Some(plan.hash()));
        *self = Self { round, plan, unfinished, ..Self::default() };
    }

    /// The round is over, with or without a sum that this node is in; whether that must be persisted.
    pub(super) fn end(&mut self, summed: bool) -> bool {
        if self.ended {
            return false;
        }
        self.unfinished = if summed { 0 } else { self.unfinished() };
        self.ended = true;
        self.answers.clear();
        true
    }

    /// The sum of a round that had ended here without one has been verified after all; whether that
    /// must be persisted.
    pub(super) fn summed(&mut self, round: Round) -> bool {
        let late = self.round == round && self.ended && self.unfinished > 0;
        if late {
            self.unfinished = 0;
        }
        late
    }

    pub(super) fn forgive(&mut self) {
        self.unfinished = 0;
    }

    /// Whether a message is among the answers of the present round.
    pub fn holds(&self, message: &ToCoordinator) -> bool {
        self.answers.iter().any(|answer| answer.message == *message)
    }

    pub(super) fn note(&mut self, question: Question, message: ToCoordinator) {
        self.answers.push(Answer { question, message });
    }

    pub(super) fn repeated(&self, message: &ToNode) -> Repeat {
        let Some(question) = Question::of(message) else { return Repeat::No };
        let known = self.answers.iter().find(|answer| answer.question.same_kind(question));
        match known {
            None => Repeat::No,
            Some(answer) if answer.question == question => Repeat::Same(answer.message.clone()),
            Some(_) => Repeat::Contradicts,
        }
    }

    /// Deletes a recovered contribution that the ledger does not name: it was not sent, and must
    /// not be. Says whether there was one.
    pub(super) fn drop_unsent(&mut self, ledger: &Ledger) -> bool {
        let Some(contribution) = self.contribution() else { return false };
        if ledger.names_contribution(contribution.hash()) {
            return false;
        }
        self.answers.retain(|answer| !matches!(answer.message, ToCoordinator::Contribution(_)));
        true
    }

    /// Deletes an advertisement that nothing followed: its keys are gone, so that whoever counted on it
    /// would wait in vain. Says whether there was one.
    pub(super) fn drop_keyless(&mut self) -> bool {
        let is_followed = self.answers.iter().any(|answer| answer.question != Question::Plan);
        if is_followed || self.answers.is_empty() {
            return false;
        }
        self.answers.clear();
        true
    }

    /// The contribution that was made in this round, for [`privacy::Ledger::open`].
    pub fn contribution(&self) -> Option<&Signed<Contribution>> {
        self.answers.iter().find_map(|answer| match &answer.message {
            ToCoordinator::Contribution(contribution) => Some(contribution),
            _ => None,
        })
    }
}
