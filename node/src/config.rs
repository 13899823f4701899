//! `node.toml`: the owner's choices. Every key is documented in `configs/node.toml`.

use std::path::PathBuf;

use protocol::Preset;
use serde::{Deserialize, Serialize};

/// A node's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The base model.
    pub model: ModelConfig,
    /// The privacy policy.
    pub privacy: PrivacyConfig,
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

/// How much privacy may be spent. It has no default: it is the owner's decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyConfig {
    /// The preset.
    pub policy: PolicyName,
}

/// A preset by its name in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PolicyName(pub Preset);

impl TryFrom<String> for PolicyName {
    type Error = protocol::policy::UnknownPreset;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse().map(Self)
    }
}

impl From<PolicyName> for String {
    fn from(name: PolicyName) -> Self {
        name.0.to_string()
    }
}

/// How this device trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Whose words are learned: any of user, assistant, partner, system.
    pub roles: Vec<String>,
    /// Most threads that training may use.
    pub threads: usize,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self { roles: vec!["user".into(), "assistant".into()], threads: 1 }
    }
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
        assert_eq!(none.privacy.policy.0, Preset::None);
        let error = with("[privacy]\npolicy = \"lax\"").unwrap_err().to_string();
        assert!(error.contains("strict (ε ≤ 2)"), "{error}");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let config = NodeConfig {
            model: ModelConfig { folder: "models/seedling".into() },
            privacy: PrivacyConfig { policy: PolicyName(Preset::Strict) },
            training: TrainingConfig::default(),
            conversations: ConversationsConfig::default(),
            network: NetworkConfig::default(),
        };
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<NodeConfig>(&text).unwrap(), config);
    }
}
