//! Constants of an INT8 model.

use crate::proto::{FLOAT, INT8, INT32, INT64, Tensor, UINT8};

/// Numbers of a constant: they are held as 64 bits each for a moment.
const MOST: usize = 1 << 24;

/// Numbers that never change: integers, with the scales that make numbers of them, or float32.
#[derive(Clone)]
pub(super) struct Constant {
    /// Its sides.
    pub shape: Vec<usize>,
    data_type: i32,
    values: Values,
    /// By output channel, where the integers stand for numbers; one for all channels stands there alone.
    scales: Vec<f32>,
    /// The side that the scales go along.
    axis: usize,
}

#[derive(Clone)]
enum Values {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

/// Integers with a scale for each part along one side.
pub(super) struct Integers<'a> {
    pub values: &'a [i64],
    pub scales: &'a [f32],
    pub axis: usize,
}

impl Constant {
    /// What a tensor holds, if it is of a type that INT8 models have and no larger than [`MOST`].
    pub fn new(tensor: &Tensor) -> Option<Self> {
        let shape: Vec<usize> = tensor.dims.iter().map(|&side| side as usize).collect();
        if shape.iter().product::<usize>() > MOST {
            return None;
        }
        let raw = tensor.raw_data.as_deref();
        let data_type = tensor.data_type?;
        let integers = || tensor.int32_data.iter().map(|&value| i64::from(value)).collect();
        let values = match (data_type, raw) {
            (FLOAT, Some(raw)) => Values::Floats(
                raw.as_chunks()
                    .0
                    .iter()
                    .map(|&bytes| f32::from_le_bytes(bytes))
                    .collect(),
            ),
            (FLOAT, None) => Values::Floats(tensor.float_data.clone()),
            (UINT8, Some(raw)) => Values::Integers(raw.iter().map(|&byte| byte.into()).collect()),
            (INT8, Some(raw)) => Values::Integers(raw.iter().map(|&byte| byte.cast_signed().into()).collect()),
            (INT32, Some(raw)) => {
                let values = raw.as_chunks().0.iter().map(|&bytes| i32::from_le_bytes(bytes).into());
                Values::Integers(values.collect())
            }
            (INT64, Some(raw)) => Values::Integers(
                raw.as_chunks()
                    .0
                    .iter()
                    .map(|&bytes| i64::from_le_bytes(bytes))
                    .collect(),
            ),
            (INT64, None) => Values::Integers(tensor.int64_data.clone()),
            (UINT8 | INT8 | INT32, None) => Values::Integers(integers()),
            _ => return None,
        };
        Some(Self {
            shape,
            data_type,
            values,
            scales: Vec::new(),
            axis: 0,
        })
    }

    /// The zero point that is left out.
    pub fn zero(data_type: i32) -> Self {
        Self {
            shape: Vec::new(),
            data_type,
            values: Values::Integers(vec![0]),
            scales: Vec::new(),
            axis: 0,
        }
    }

    pub fn data_type(&self) -> i32 {
        self.data_type
    }

    /// The same integers, as numbers.
    pub fn scaled(mut self, scales: Vec<f32>, zeros: &[i64], axis: i64) -> Result<Self, String> {
        let axis = usize::try_from(axis).unwrap_or(usize::MAX);
        let parts = self.shape.get(axis).copied().unwrap_or(1);
        if !self.scales.is_empty() || !matches!(self.values, Values::Integers(_)) {
            return Err("scales what is no integer".into());
        }
        if zeros.iter().any(|&zero| zero != 0) {
            return Err("reads weights whose zero is not zero".into());
        }
        if scales.is_empty() || scales.len() > 1 && scales.len() != parts {
            return Err("has scales for other channels".into());
        }
        if !scales.iter().all(|&scale| scale > 0.0 && scale.is_finite()) {
            return Err("has scales that are not positive".into());
        }
        (self.scales, self.axis) = (scales, axis);
        Ok(self)
    }

    /// Its only number.
    pub fn one(&self) -> Option<f32> {
        match &self.floats()?[..] {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// Its only integer.
    pub fn integer(&self) -> Option<i64> {
        match &self.integers()?[..] {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// Its numbers, if they are float32.
    pub fn floats(&self) -> Option<Vec<f32>> {
        match &self.values {
            Values::Floats(values) => Some(values.clone()),
            Values::Integers(_) => None,
        }
    }

    /// Its integers, if they stand for themselves.
    pub fn integers(&self) -> Option<Vec<i64>> {
        match &self.values {
            Values::Integers(values) if self.scales.is_empty() => Some(values.clone()),
            _ => None,
        }
    }

    /// A matrix of integers with its sides exchanged.
    pub fn transposed(&self) -> Option<Self> {
        let (&[rows, columns], Values::Integers(values)) = (self.shape.as_slice(), &self.values) else {
            return None;
        };
        let turned = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
        Some(Self {
            shape: vec![columns, rows],
            values: Values::Integers(turned.map(|at| values[at]).collect()),
            axis: 1 - self.axis.min(1),
            ..self.clone()
        })
    }

    /// Its integers, if they stand for numbers.
    pub fn weights(&self) -> Option<Integers<'_>> {
        match &self.values {
            Values::Integers(values) if !self.scales.is_empty() => Some(Integers {
                values,
                scales: &self.scales,
                axis: self.axis,
            }),
            _ => None,
        }
    }
}
