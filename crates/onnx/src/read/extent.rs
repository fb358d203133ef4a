//! What a file is made of, before any of it is decoded.

use bytes::{Buf, Bytes};
use prost::encoding::{WireType, decode_key, decode_varint};

/// The messages in messages that are decoded: outer message, field, inner message.
const MESSAGES: &[(&str, u32, &str)] = &[
    ("model", 7, "graph"),
    ("model", 8, "operator set"),
    ("model", 14, "metadata"),
    ("graph", 1, "node"),
    ("node", 5, "attribute"),
    ("attribute", 5, "tensor"),
    ("graph", 5, "tensor"),
    ("tensor", 13, "place"),
    ("graph", 11, "value"),
    ("graph", 12, "value"),
    ("value", 2, "type"),
    ("type", 1, "tensor type"),
    ("tensor type", 2, "shape"),
    ("shape", 1, "side"),
];

/// What a file is made of. Only slices are looked at.
#[derive(Default)]
pub(super) struct Extent {
    /// Fields, of all messages.
    pub fields: usize,
    /// Bytes that are data of tensors: `raw_data`, `float_data` and `double_data`.
    pub data: usize,
}

impl Extent {
    /// Adds a message and those in it.
    pub fn add(&mut self, message: &str, mut bytes: Bytes) -> Result<(), String> {
        let told = |error: prost::DecodeError| error.to_string();
        while bytes.has_remaining() {
            let (tag, kind) = decode_key(&mut bytes).map_err(told)?;
            self.fields += 1;
            let length = match kind {
                WireType::Varint => {
                    decode_varint(&mut bytes).map_err(told)?;
                    continue;
                }
                WireType::ThirtyTwoBit => 4,
                WireType::SixtyFourBit => 8,
                WireType::LengthDelimited => decode_varint(&mut bytes).map_err(told)?,
                WireType::StartGroup | WireType::EndGroup => {
                    return Err("a part of it is of a kind that ONNX does not have".into());
                }
            };
            let length = usize::try_from(length).ok().filter(|&length| length <= bytes.len());
            let length = length.ok_or("it is cut short, or a length in it is wrong")?;
            let field = bytes.split_to(length);
            if kind != WireType::LengthDelimited {
                continue;
            }
            if message == "tensor" && matches!(tag, 4 | 9 | 10) {
                self.data += field.len();
            }
            if let Some((.., inner)) = MESSAGES.iter().find(|row| (row.0, row.1) == (message, tag)) {
                self.add(inner, field)?;
            }
        }
        Ok(())
    }
}
