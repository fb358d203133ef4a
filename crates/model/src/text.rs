//! A variant as text, in settings and records: its name, or its rows.

use crate::error::ModelError;
use crate::network::Network;
use crate::variant::Variant;

impl Variant {
    /// In a word where the table has it: its name. Otherwise all of it, as JSON. [`Variant::from_text`] reads either.
    pub fn to_text(&self) -> String {
        match self.is_known() {
            true => self.name.clone(),
            // Numbers, names and lists: nothing that JSON cannot hold.
            false => serde_json::to_string(self).unwrap_or_default(),
        }
    }

    /// The variant of a name or of JSON.
    ///
    /// # Errors
    /// An unknown name; rows that cannot be read, that are impossible, or that take the name of another network.
    pub fn from_text(text: &str) -> Result<Variant, ModelError> {
        if !text.trim_start().starts_with('{') {
            return Self::by_name(text).cloned();
        }
        let variant: Variant = serde_json::from_str(text).map_err(|error| ModelError::Rows {
            reason: error.to_string(),
        })?;
        // Built once, at the width that the rows are of.
        Network::build(&variant, 1.0, 1, None)?;
        match Self::with_width(&variant.name) {
            Ok((known, _)) if *known != variant => Err(ModelError::Row {
                place: "the variant".into(),
                reason: format!(
                    "{} is the name of another network: give it one of its own",
                    variant.name
                ),
                variant: variant.name,
            }),
            _ => Ok(variant),
        }
    }
}
