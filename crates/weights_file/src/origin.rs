//! Which program wrote a file of weights.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The file of another program that weights came from; kept when they are converted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Whose names it used, e.g. `torchvision`.
    pub dialect: String,
    /// What kind of file it was, e.g. `PyTorch zip`.
    pub container: String,
    /// What stood before the names, e.g. `state_dict_ema.`.
    pub prefix: String,
    /// Whether it had no batch norms, but biases in their place.
    pub folded: bool,
    /// What it said of itself, by name: `epoch`, `arch`, `args.lr`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub said: BTreeMap<String, String>,
    /// The learning rate of each step of its run, which MindSpore saves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rates: Option<Vec<f32>>,
}

impl Origin {
    /// In words, e.g. `torchvision's names in a PyTorch zip`.
    pub fn described(&self) -> String {
        let inside = match self.prefix.trim_end_matches('.') {
            "" => String::new(),
            prefix => format!(", under {prefix}"),
        };
        let folded = if self.folded { ", batch norm folded" } else { "" };
        format!("{}'s names in a {} file{inside}{folded}", self.dialect, self.container)
    }
}
