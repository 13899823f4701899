//! Everything that can go wrong, each with the place and what to do.

use std::path::PathBuf;

/// Why a model, a tokenizer, an adapter or a training could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file is missing or unreadable.
    #[error("cannot read {}: is the model folder complete?", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: is there space, and may this user write there?", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is not the JSON it should be.
    #[error("{} is not the JSON expected there: fetch the file again", file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// Where and why parsing stopped.
        source: serde_json::Error,
    },
    /// A key that the model cannot do without is not there.
    #[error("{}: the key `{key}` is missing", file.display())]
    MissingKey {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
    },
    /// A value that means something we do not compute.
    #[error("{}: `{key}` is {found}, which is not supported; supported: {supported}", file.display())]
    Unsupported {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
        /// The value found.
        found: String,
        /// What would be accepted.
        supported: &'static str,
    },
    /// A safetensors file is damaged or cut off.
    #[error("{} is not a whole safetensors file (cut off or damaged): fetch it again", file.display())]
    Safetensors {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: safetensors::SafeTensorError,
    },
    /// The configuration asks for a tensor that no file holds.
    #[error("{}: the tensor `{name}` is missing", place.display())]
    MissingTensor {
        /// The file or folder searched.
        place: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A file holds a tensor that the configuration does not explain.
    #[error("{}: the tensor `{name}` belongs to no part of the model that config.json describes", place.display())]
    ExtraTensor {
        /// The file.
        place: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error("{}: the tensor `{name}` has the shape {found:?}, the configuration says {expected:?}", place.display())]
    TensorShape {
        /// The file.
        place: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A tensor is stored in a number format that we do not read.
    #[error("{}: the tensor `{name}` is stored as {found}; supported: F32, F16, BF16", place.display())]
    TensorType {
        /// The file.
        place: PathBuf,
        /// The tensor.
        name: String,
        /// The format found.
        found: String,
    },
    /// tokenizer.json cannot be used.
    #[error("{} is not a tokenizer that can be used: fetch it again", file.display())]
    Tokenizer {
        /// The file.
        file: PathBuf,
        /// What the tokenizers library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The tokenizer knows more tokens than the model has rows for.
    #[error("{}: the tokenizer has {tokens} tokens, the model only {vocabulary}: they are not a pair", file.display())]
    Vocabulary {
        /// tokenizer.json.
        file: PathBuf,
        /// Tokens of the tokenizer.
        tokens: usize,
        /// Rows of the embedding.
        vocabulary: usize,
    },
    /// Text could not be turned into tokens.
    #[error("the tokenizer failed on a text")]
    Encode {
        /// What the tokenizers library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A tokenizer could not be trained or written.
    #[error("a tokenizer could not be trained")]
    TokenizerTraining {
        /// What the tokenizers library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The chat template is not valid, or refuses the conversation.
    #[error("{}: the chat template failed", file.display())]
    Template {
        /// The file the template comes from.
        file: PathBuf,
        /// The place in the template, and why. Holds no text of the conversation.
        source: minijinja::Error,
    },
    /// The chat template changes texts in a way that hides which tokens are whose.
    #[error("{}: the chat template rewrites the text of message {message}, so its tokens cannot be told apart", file.display())]
    TemplateRewrites {
        /// The file the template comes from.
        file: PathBuf,
        /// The message, counted from 0.
        message: usize,
    },
    /// More messages than can be told apart.
    #[error("a conversation of {messages} messages; at most {most} can be rendered: split it")]
    TooManyMessages {
        /// Messages given.
        messages: usize,
        /// Most that are possible.
        most: usize,
    },
    /// An adapter specification that no model could have.
    #[error("adapter: `{key}` is {found}; it must be {expected}")]
    AdapterSpec {
        /// The field.
        key: &'static str,
        /// Its value.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A flat vector of the wrong length.
    #[error("adapter: {found} numbers given, the specification has {expected} trained parameters")]
    ParameterCount {
        /// Length given.
        found: usize,
        /// Length of the specification.
        expected: usize,
    },
    /// A trained parameter is not a finite number.
    #[error("adapter: parameter {index} is not a finite number")]
    NotFinite {
        /// Its place in the flat vector.
        index: usize,
    },
    /// An adapter folder whose frozen part is not the one its seed draws.
    #[error("{}: `{name}` is not what the adapter's seed draws: the folder was changed", place.display())]
    FrozenPart {
        /// The file.
        place: PathBuf,
        /// The tensor.
        name: String,
    },
    /// An adapter made for another shape of model.
    #[error(
        "the adapter was made for a model of another shape: use the base model it was made with"
    )]
    AdapterModel,
    /// A recipe with a value that makes no sense.
    #[error("recipe: `{key}` is {found}; it must be {expected}")]
    Recipe {
        /// The field.
        key: &'static str,
        /// Its value.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// No token of the conversations is spoken by a role that is trained.
    #[error(
        "nothing to train on: none of the {conversations} conversations has a token of the roles {roles:?}"
    )]
    NothingToTrain {
        /// Conversations given.
        conversations: usize,
        /// Roles named.
        roles: Vec<String>,
    },
    /// Training or generation met numbers that are no numbers.
    #[error("the loss is not a finite number at step {step}: lower the learning rate")]
    Diverged {
        /// The step, counted from 1.
        step: usize,
    },
    /// A token that the model does not have.
    #[error("token {token} is outside the vocabulary of {vocabulary}")]
    Token {
        /// The token.
        token: u32,
        /// Rows of the embedding.
        vocabulary: usize,
    },
    /// More tokens than the model has positions for.
    #[error("{tokens} tokens are more than the model's {positions} positions: shorten the text")]
    TooLong {
        /// Tokens asked for.
        tokens: usize,
        /// Positions of the model.
        positions: usize,
    },
    /// A device that this libtorch does not offer.
    #[error(
        "CUDA device {index} is not there: this libtorch sees {available} (the one that set-up fetches is built without CUDA; LIBTORCH names another); choose the device \"cpu\" or \"auto\""
    )]
    Device {
        /// The device asked for.
        index: usize,
        /// Devices there are.
        available: usize,
    },
    /// A device is named by a word that means none.
    #[error(
        "\"{found}\" is no device: say auto, cpu, cuda, or of several CUDA devices one, as cuda:1"
    )]
    UnknownDevice {
        /// What was said.
        found: String,
    },
    /// Somebody asked to stop.
    #[error("stopped on request")]
    Stopped,
    /// The operating system gives no thread.
    #[error("cannot start the training thread")]
    Thread {
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl ModelError {
    /// Whether a training failed because of what it was given to learn, and not because of recipe or device. Who then
    /// stayed away would tell something of private text.
    pub fn is_of_the_text(&self) -> bool {
        matches!(
            self,
            ModelError::Diverged { .. }
                | ModelError::NothingToTrain { .. }
                | ModelError::Template { .. }
                | ModelError::TemplateRewrites { .. }
                | ModelError::TooManyMessages { .. }
                | ModelError::Encode { .. }
        )
    }
}
