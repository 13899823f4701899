//! `node.toml`: the owner's choices. Every key is documented in `configs/node.toml`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use protocol::{Choices, Preset};
use serde::{Deserialize, Serialize};

/// A node's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The base model.
    pub model: ModelConfig,
    /// The privacy policy: it has no default, it is the owner's decision.
    pub privacy: Choices,
    /// Local training.
    #[serde(default)]
    pub training: TrainingConfig,
    /// What is done to conversations before training.
    #[serde(default)]
    pub conversations: ConversationsConfig,
    /// Connections.
    #[serde(default)]
    pub network: NetworkConfig,
}

/// Which base model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// A Hugging Face model folder.
    pub folder: PathBuf,
}

/// How this device trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Whose words are learned: any of user, assistant, partner, system.
    pub roles: Vec<String>,
    /// Most threads that training may use.
    pub threads: usize,
    /// Where training and generation compute, as the crate `model` names it: auto, cpu, cuda, cuda:1.
    #[serde(deserialize_with = "device_name")]
    pub device: String,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        let roles = vec!["user".into(), "assistant".into()];
        Self { roles, threads: 1, device: "auto".into() }
    }
}

/// Checked as the file is read, by its form alone: whether the device is there is asked before training.
fn device_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let cuda = name.strip_prefix("cuda:").is_some_and(|index| index.parse::<usize>().is_ok());
    if cuda || ["auto", "cpu", "cuda"].contains(&name.as_str()) {
        return Ok(name);
    }
    let expected = "auto, cpu, cuda, or of several CUDA devices one, as cuda:1";
    Err(serde::de::Error::invalid_value(serde::de::Unexpected::Str(&name), &expected))
}

/// What is done to conversations before training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConversationsConfig {
    /// A file of words and names, one a line, that are replaced like e-mail addresses are.
    pub private_words: Option<PathBuf>,
    /// Whether what is typed into `chat` may be trained on.
    pub train_on_chat: bool,
}

/// How this node is connected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Where to listen; a node that listens nowhere takes full part.
    pub listen: Vec<String>,
    /// Sizes and times.
    pub limits: network::Limits,
}

/// The page that explains every key.
const EXPLAINED: &str = include_str!("../../../configs/node.toml");

/// The file that `init` writes: the owner's two decisions, and every other key explained in a comment that shows its
/// default, so that what nobody has decided follows the program.
///
/// # Errors
/// If the model's path is not UTF-8 text, as TOML is.
pub fn first_text(model: &Path, policy: Preset) -> anyhow::Result<String> {
    let folder = model.to_str().with_context(|| {
        format!("{} is not UTF-8 text, as node.toml is: rename the folder", model.display())
    })?;
    let folder = toml::Value::from(folder);
    let lines = EXPLAINED.lines().map(|line| {
        if line.starts_with("folder = ") {
            format!("folder = {folder}\n")
        } else if line.starts_with("policy = ") {
            format!("policy = \"{policy}\"\n")
        } else if line.starts_with(|first: char| first.is_ascii_alphabetic()) {
            format!("# {line}\n")
        } else {
            format!("{line}\n")
        }
    });
    Ok(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_never_guessed() {
        let with = |policy: &str| {
            toml::from_str::<NodeConfig>(&format!("[model]\nfolder = \"m\"\n{policy}"))
        };
        assert!(with("").is_err());
        assert!(with("[privacy]\npolicy = \"None\"").is_err());
        let none = with("[privacy]\npolicy = \"none\"").unwrap();
        assert_eq!(none.privacy.policy, Preset::None);
        let error = with("[privacy]\npolicy = \"lax\"").unwrap_err().to_string();
        assert!(error.contains("strict (ε ≤ 2)"), "{error}");
        let device =
            |name| with(&format!("[privacy]\npolicy = \"none\"\n[training]\ndevice = \"{name}\""));
        for name in ["auto", "cpu", "cuda", "cuda:1"] {
            assert_eq!(device(name).unwrap().training.device, name);
        }
        let error = device("gpu").unwrap_err().to_string();
        assert!(error.contains("\"gpu\", expected auto, cpu, cuda"), "{error}");
        let misspelt = "[privacy]\npolicy = \"none\"\n[privacy.limits]\nclipmax = 1.0";
        assert!(with(misspelt).unwrap_err().to_string().contains("clipmax"));
    }

    #[test]
    fn init_decides_two_things_and_explains_the_others() {
        for policy in [Preset::Strict, Preset::Default, Preset::Research, Preset::None] {
            let folder = PathBuf::from("/models/a \"quoted\" one");
            let text = first_text(&folder, policy).unwrap();
            let expected = NodeConfig {
                model: ModelConfig { folder },
                privacy: Choices::preset(policy),
                training: TrainingConfig::default(),
                conversations: ConversationsConfig::default(),
                network: NetworkConfig::default(),
            };
            assert_eq!(toml::from_str::<NodeConfig>(&text).unwrap(), expected);
            for explained in ["# threads = ", "# own_noise_min = ", "# redial_max_ms = "] {
                assert!(text.contains(explained), "{explained} is not in\n{text}");
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let config = NodeConfig {
            model: ModelConfig { folder: "models/seedling".into() },
            privacy: Choices::preset(Preset::Strict),
            training: TrainingConfig::default(),
            conversations: ConversationsConfig::default(),
            network: NetworkConfig::default(),
        };
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<NodeConfig>(&text).unwrap(), config);
    }
}
