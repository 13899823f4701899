//! Whose conversations a simulation learns from, and on whose it is measured.
//!
//! People are kept whole on one side: whoever is held out is never trained on, also where the others are cut into
//! several nodes, or all conversations are dealt out anew.

pub(crate) mod chance;
mod made;
mod split;
mod topics;

use std::collections::BTreeMap;
use std::path::Path;

use chatlogs::{Conversation, ImportOptions, Scrubber, Split};

use crate::people::{entries, read_conversations, read_people};
use crate::scenario::{DataTerms, SplitName};
use crate::{Invalid, LearningError};

/// A person with conversations. `Debug` is left out: they may be somebody's own words.
#[derive(Clone)]
pub struct Human {
    /// How the data names them.
    pub name: String,
    /// Language code, where the data says one.
    pub language: Option<String>,
    /// What may be trained on.
    pub training: Vec<Conversation>,
    /// What is kept to measure with.
    pub held_out: Vec<Conversation>,
}

/// A node: a person, or a piece of one; or conversations of many, where the split deals them out anew.
pub struct VirtualNode {
    /// Which person, by place among all who are trained on; none where it is nobody in particular.
    pub person: Option<usize>,
    /// What it trains on.
    pub training: Vec<Conversation>,
}

/// Both sides.
pub struct Population {
    /// The nodes that a cohort is drawn from.
    pub nodes: Vec<VirtualNode>,
    /// People that the nodes are (pieces of).
    pub people: usize,
    /// By person: what was kept back of the people who are trained on, to measure personal adapters with.
    pub own_held_out: Vec<Vec<Conversation>>,
    /// Whoever is measured on, whole.
    pub held_out: Vec<Human>,
    /// What of the data could not be read, if anything.
    pub skipped: Option<String>,
}

impl Population {
    /// Reads or makes the people, keeps some out, and cuts the others into nodes.
    ///
    /// # Errors
    /// If the data cannot be read, or no one is left on a side.
    pub fn new(terms: &DataTerms, seed: u64) -> Result<Self, LearningError> {
        let (people, skipped) = read(terms, seed)?;
        if people.len() == 1 {
            return Err(Invalid::OnePerson.into());
        }
        let (held_out, trained) = kept_apart(people, terms.held_out, seed);
        let mut people: Vec<Human> =
            trained.into_iter().filter(|human| !human.training.is_empty()).collect();
        if people.is_empty() {
            return Err(Invalid::NobodyToTrain.into());
        }
        if held_out.is_empty() {
            return Err(Invalid::NobodyHeldOut.into());
        }
        let count = people.len();
        let own_held_out =
            people.iter_mut().map(|human| std::mem::take(&mut human.held_out)).collect();
        let mut nodes = nodes(people, terms, seed)?;
        for node in &mut nodes {
            cap(&mut node.training, terms.conversations_max);
        }
        Ok(Self { nodes, people: count, own_held_out, held_out, skipped })
    }

    /// The fewest pieces of each person that make so many nodes, if people have conversations enough.
    pub(crate) fn pieces_for(&self, wanted: usize) -> Option<usize> {
        let mut of_person = vec![0; self.people];
        for node in &self.nodes {
            of_person[node.person?] += node.training.len();
        }
        let made = |pieces: usize| of_person.iter().map(|&count| pieces.min(count)).sum::<usize>();
        let most = of_person.iter().copied().max()?;
        (1..=most).find(|&pieces| made(pieces) >= wanted)
    }

    /// All that is trained and measured on, in one hash.
    pub(crate) fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("murmuration 2026-11 simulated population");
        let mut add = |side: u8, conversations: &[Conversation]| {
            hasher.update(&[side]).update(&(conversations.len() as u64).to_le_bytes());
            for (role, text) in conversations.iter().flat_map(Conversation::as_turns) {
                hasher.update(role.as_bytes()).update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        };
        self.nodes.iter().for_each(|node| add(0, &node.training));
        self.held_out.iter().for_each(|human| {
            add(1, &human.held_out);
            add(2, &human.training);
        });
        *hasher.finalize().as_bytes()
    }
}

/// People, pieces of people, or what the split makes of all their conversations.
fn nodes(people: Vec<Human>, terms: &DataTerms, seed: u64) -> Result<Vec<VirtualNode>, Invalid> {
    if terms.split == SplitName::Users {
        let nodes = people.into_iter().enumerate().flat_map(|(person, human)| {
            let pieces = dealt(human.training, terms.pseudo_users.max(1)).into_iter();
            pieces.map(move |training| VirtualNode { person: Some(person), training })
        });
        return Ok(nodes.collect());
    }
    if terms.pseudo_users > 1 {
        return Err(Invalid::PiecesOfNobody);
    }
    let heap = people.into_iter().flat_map(|human| {
        let language = human.language;
        human.training.into_iter().map(move |conversation| (conversation, language.clone()))
    });
    let hands = split::dealt(&terms.split, heap.collect(), seed)?.into_iter();
    Ok(hands.map(|training| VirtualNode { person: None, training }).collect())
}

impl Human {
    /// Everything of a person who is held out; nothing of it was trained on.
    pub fn all(&self) -> impl Iterator<Item = &Conversation> {
        self.held_out.iter().chain(&self.training)
    }
}

/// People, and what could not be read of them.
type Read = (Vec<Human>, Option<String>);

fn read(terms: &DataTerms, seed: u64) -> Result<Read, LearningError> {
    match (&terms.path, terms.made) {
        (Some(path), None) => read_path(path, terms.me.clone()),
        (None, Some(made)) => Ok((made::people(made, seed), None)),
        _ => Err(Invalid::PathOrMade.into()),
    }
}

fn read_path(path: &Path, me: Option<String>) -> Result<Read, LearningError> {
    if !path.is_dir() {
        return read_dataset(path);
    }
    let homes = entries(path)?;
    if homes.iter().any(|home| home.join("person.toml").is_file()) {
        let people = read_people(path)?.into_iter().map(|person| Human {
            name: person.name,
            language: None,
            training: person.training,
            held_out: person.held_out,
        });
        return Ok((people.collect(), None));
    }
    let people = homes.iter().map(|home| read_export(home, me.clone()));
    Ok((people.collect::<Result<_, _>>()?, None))
}

/// One export in any format that `chatlogs` reads, as one person.
fn read_export(path: &Path, me: Option<String>) -> Result<Human, LearningError> {
    let all = read_conversations(path, &ImportOptions { me, ..ImportOptions::default() })?;
    let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let (held_out, training) =
        all.into_iter().partition(|conversation| conversation.split() == Split::HeldOut);
    Ok(Human { name, language: None, training, held_out })
}

/// A data set, its people in the order of the file, its conversations scrubbed as a node scrubs them.
fn read_dataset(path: &Path) -> Result<Read, LearningError> {
    let scrubber = Scrubber::new(&[])?;
    let mut places = BTreeMap::new();
    let mut people: Vec<Human> = Vec::new();
    let report = chatlogs::read_dataset(path, |record| {
        let place = *places.entry(record.user.clone()).or_insert(people.len());
        if place == people.len() {
            let (name, language) = (record.user, record.language);
            people.push(Human { name, language, training: Vec::new(), held_out: Vec::new() });
        }
        let split = record.split.unwrap_or_else(|| record.conversation.split());
        let (conversation, _) = scrubber.scrub_conversation(record.conversation);
        match split {
            Split::Train => people[place].training.push(conversation),
            Split::HeldOut => people[place].held_out.push(conversation),
        }
        Ok::<_, chatlogs::ImportError>(())
    })?;
    Ok((people, left_out(&report)))
}

/// `skipped 30: not JSON (for example half.jsonl, line 2)`, for each reason.
fn left_out(report: &chatlogs::ImportReport) -> Option<String> {
    let reasons = report.skipped.iter().map(|(reason, skipped)| {
        let example = skipped.examples.first();
        let example = example.map_or(String::new(), |place| format!(" (for example {place})"));
        format!("{} left out: {reason}{example}", skipped.count)
    });
    let all = reasons.collect::<Vec<_>>().join("; ");
    (!all.is_empty()).then_some(all)
}

/// (held out, trained): people in the order of a hash of seed and name, the first `part` of them held out.
fn kept_apart(people: Vec<Human>, part: f64, seed: u64) -> (Vec<Human>, Vec<Human>) {
    let wanted = (people.len() as f64 * part.clamp(0.0, 1.0)).ceil() as usize;
    let mut order: Vec<usize> = (0..people.len()).collect();
    order.sort_by_cached_key(|&place| {
        let mut hasher = blake3::Hasher::new_derive_key("murmuration 2026-11 held-out people");
        hasher.update(&seed.to_le_bytes()).update(people[place].name.as_bytes());
        *hasher.finalize().as_bytes()
    });
    let chosen: std::collections::BTreeSet<usize> = order.into_iter().take(wanted).collect();
    let (held_out, trained): (Vec<_>, Vec<_>) =
        people.into_iter().enumerate().partition(|(place, _)| chosen.contains(place));
    let bare = |side: Vec<(usize, Human)>| side.into_iter().map(|(_, human)| human).collect();
    (bare(held_out), bare(trained))
}

/// Dealt out in turn; pieces that would be empty are left out.
fn dealt(conversations: Vec<Conversation>, pieces: usize) -> Vec<Vec<Conversation>> {
    let mut hands: Vec<Vec<Conversation>> =
        (0..pieces.min(conversations.len())).map(|_| Vec::new()).collect();
    let count = hands.len();
    for (turn, conversation) in conversations.into_iter().enumerate() {
        hands[turn % count].push(conversation);
    }
    hands
}

fn cap(conversations: &mut Vec<Conversation>, most: usize) {
    if most > 0 {
        conversations.truncate(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::MadeTerms;

    fn terms(pieces: usize) -> DataTerms {
        let text = format!(
            "held_out = 0.25\npseudo_users = {pieces}\nmade = {{ people = 20, conversations = 6 }}"
        );
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn a_person_is_never_on_both_sides() {
        let all = made::people(MadeTerms { people: 20, conversations: 6 }, 3);
        for pieces in [1, 3, 100] {
            let population = Population::new(&terms(pieces), 3).unwrap();
            assert_eq!((population.held_out.len(), population.people), (5, 15));
            let held_out: Vec<_> =
                population.held_out.iter().flat_map(Human::all).map(Conversation::id).collect();
            let mut trained = Vec::new();
            for node in &population.nodes {
                assert!(!node.training.is_empty());
                trained.extend(node.training.iter().map(Conversation::id));
            }
            assert!(trained.iter().all(|id| !held_out.contains(id)));
            let of_all: usize = all.iter().map(|human| human.training.len()).sum();
            let of_held_out: usize =
                population.held_out.iter().map(|human| human.training.len()).sum();
            assert_eq!(trained.len() + of_held_out, of_all, "a conversation was lost or doubled");
        }
        let whole = Population::new(&terms(1), 3).unwrap();
        let cut = Population::new(&terms(3), 3).unwrap();
        assert_eq!(whole.nodes.len(), 15);
        assert!(cut.nodes.len() > 30);
        let other = Population::new(&terms(1), 4).unwrap();
        let names =
            |of: &Population| of.held_out.iter().map(|h| h.name.clone()).collect::<Vec<_>>();
        assert_ne!(names(&whole), names(&other));
    }

    #[test]
    fn a_cap_holds_for_every_node() {
        let population =
            Population::new(&DataTerms { conversations_max: 2, ..terms(1) }, 3).unwrap();
        assert!(population.nodes.iter().all(|node| node.training.len() <= 2));
    }

    fn of(split: &str) -> Result<Population, LearningError> {
        let split = toml::from_str::<toml::Table>(&format!("split = {split}")).unwrap();
        let split = split["split"].clone().try_into().unwrap();
        Population::new(&DataTerms { split, ..terms(1) }, 3)
    }

    #[test]
    fn every_split_deals_out_every_conversation_once_and_nobody_who_is_held_out() {
        let sorted = |population: &Population| {
            let all = population.nodes.iter().flat_map(|node| node.training.iter());
            let mut ids: Vec<_> = all.map(|one| (one.id(), one.as_turns().len())).collect();
            ids.sort_by_key(|(id, _)| format!("{id:?}"));
            ids
        };
        let expected = sorted(&Population::new(&terms(1), 3).unwrap());
        let mut sizes = Vec::new();
        for split in [
            "{ iid = { nodes = 12 } }",
            "{ quantity = { nodes = 12, alpha = 0.3 } }",
            "{ dirichlet = { nodes = 12, alpha = 0.1, by = \"topic\" } }",
        ] {
            let (population, again) = (of(split).unwrap(), of(split).unwrap());
            assert_eq!(population.nodes.len(), 12, "{split}");
            assert!(sorted(&population) == expected && sorted(&again) == expected, "{split}");
            let hands = |of: &Population| {
                let hands = of.nodes.iter().map(|node| node.training.iter().map(Conversation::id));
                hands.map(Iterator::collect::<Vec<_>>).collect::<Vec<_>>()
            };
            assert!(hands(&population) == hands(&again), "{split}: not the same for the same seed");
            assert!(population.nodes.iter().all(|node| node.person.is_none()));
            let mut counts: Vec<usize> =
                population.nodes.iter().map(|node| node.training.len()).collect();
            counts.sort_unstable();
            sizes.push((counts[0], counts[11]));
        }
        assert!(sizes[0].1 - sizes[0].0 <= 1 && sizes[2].1 - sizes[2].0 <= 1, "{sizes:?}");
        assert!(sizes[1].0 >= 1 && sizes[1].1 > 2 * sizes[0].1, "{sizes:?}");
    }

    /// Invented people speak of eight topics: with a small α a node has few of them, with a large one nearly all.
    #[test]
    fn a_small_alpha_gives_nodes_few_topics() {
        let mean = |alpha: f64| {
            let split =
                format!("{{ dirichlet = {{ nodes = 6, alpha = {alpha}, by = \"topic\" }} }}");
            let population = of(&split).unwrap();
            let all: Vec<Conversation> =
                population.nodes.iter().flat_map(|node| node.training.clone()).collect();
            let mut topics = topics::topics(&all, 3).into_iter();
            let kinds = population.nodes.iter().map(|node| {
                let own: std::collections::BTreeSet<usize> =
                    topics.by_ref().take(node.training.len()).collect();
                own.len()
            });
            kinds.sum::<usize>() as f64 / 6.0
        };
        let (few, many) = (mean(0.02), mean(100.0));
        assert!(few + 1.5 < many, "{few} {many}");
    }

    #[test]
    fn splits_that_cannot_work_are_refused_with_what_would() {
        let refused = |split: &str| match of(split) {
            Err(LearningError::Invalid(invalid)) => invalid.to_string(),
            _ => panic!("accepted"),
        };
        assert!(refused("{ iid = { nodes = 5000 } }").contains("5000"));
        assert!(refused("{ iid = { nodes = 0 } }").contains("at least 1"));
        assert!(refused("{ quantity = { nodes = 3, alpha = 0.0 } }").contains("alpha"));
        let one = "{ dirichlet = { nodes = 3, alpha = 1.0, by = \"language\" } }";
        assert!(refused(one).contains("topic"));
        let both = DataTerms { split: SplitName::Iid { nodes: 3 }, ..terms(2) };
        assert!(matches!(
            Population::new(&both, 1),
            Err(LearningError::Invalid(Invalid::PiecesOfNobody))
        ));
    }

    #[test]
    fn a_data_set_keeps_its_own_split_and_languages() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("set.jsonl");
        let line = |user: &str, name: usize, split: &str| {
            format!(
                r#"{{"user": "{user}", "conversation": "{name}", "lang": "de", "messages": [{{"role": "user", "content": "a{name}"}}], "split": "{split}"}}"#
            )
        };
        let lines: Vec<String> = (0..10)
            .flat_map(|user| {
                let user = format!("u{user}");
                [line(&user, 0, "train"), line(&user, 1, "test"), line(&user, 2, "train")]
            })
            .collect();
        std::fs::write(&file, lines.join("\n")).unwrap();
        let terms = DataTerms { path: Some(file), made: None, ..terms(1) };
        let population = Population::new(&terms, 1).unwrap();
        assert_eq!((population.nodes.len(), population.held_out.len()), (7, 3));
        assert!(population.nodes.iter().all(|node| node.training.len() == 2));
        assert!(population.held_out.iter().all(|human| human.held_out.len() == 1));
        assert_eq!(population.held_out[0].language.as_deref(), Some("de"));
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let both = DataTerms { path: Some("x".into()), ..terms(1) };
        assert!(matches!(
            Population::new(&both, 1),
            Err(LearningError::Invalid(Invalid::PathOrMade))
        ));
        let nobody = DataTerms { held_out: 0.0, ..terms(1) };
        assert!(matches!(
            Population::new(&nobody, 1),
            Err(LearningError::Invalid(Invalid::NobodyHeldOut))
        ));
        let all = DataTerms { held_out: 1.0, ..terms(1) };
        assert!(matches!(
            Population::new(&all, 1),
            Err(LearningError::Invalid(Invalid::NobodyToTrain))
        ));
    }
}
