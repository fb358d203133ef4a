//! Curves of any length in constant memory: neighbours share a bucket, which keeps their least, their largest and their mean.

use serde::{Serialize, Serializer};

/// What one bucket keeps of one curve.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    min: f64,
    max: f64,
    sum: f64,
    /// Values that are numbers.
    count: u64,
}

impl Range {
    fn of(value: f64) -> Self {
        match value.is_finite() {
            true => Self {
                min: value,
                max: value,
                sum: value,
                count: 1,
            },
            false => Self {
                min: f64::INFINITY,
                max: f64::NEG_INFINITY,
                sum: 0.0,
                count: 0,
            },
        }
    }

    fn add(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        self.count += other.count;
    }
}

/// Rows of `N` curves over one axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Series<const N: usize> {
    buckets: Vec<Bucket<N>>,
    /// The most buckets.
    room: usize,
    /// Rows of a bucket.
    width: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Bucket<const N: usize> {
    first: f64,
    last: f64,
    rows: u64,
    values: [Range; N],
}

impl<const N: usize> Bucket<N> {
    fn add(&mut self, next: &Self) {
        self.last = next.last;
        self.rows += next.rows;
        for (own, next) in self.values.iter_mut().zip(&next.values) {
            own.add(next);
        }
    }
}

impl<const N: usize> Series<N> {
    /// No rows yet, and never more than `room` buckets, an even number.
    pub fn new(room: usize) -> Self {
        Self {
            buckets: Vec::with_capacity(room),
            room,
            width: 1,
        }
    }

    /// Adds a row at `x`, which is not before the last one. A value that is no number is left out.
    pub fn push(&mut self, x: f64, values: [f64; N]) {
        let row = Bucket {
            first: x,
            last: x,
            rows: 1,
            values: values.map(Range::of),
        };
        match self.buckets.last_mut() {
            Some(last) if last.rows < self.width => return last.add(&row),
            _ => {}
        }
        if self.buckets.len() == self.room {
            self.halve();
        }
        // After halving the last bucket is whole, as the room is even.
        self.buckets.push(row);
    }

    /// Joins each two neighbours.
    fn halve(&mut self) {
        let pairs = self.buckets.chunks(2).map(|pair| {
            let mut joined = pair[0].clone();
            pair[1..].iter().for_each(|next| joined.add(next));
            joined
        });
        self.buckets = pairs.collect();
        self.width *= 2;
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Where the buckets lie: the middle of each.
    pub fn places(&self) -> Vec<Number> {
        let middle = |bucket: &Bucket<N>| Number::exact((bucket.first + bucket.last) / 2.0);
        self.buckets.iter().map(middle).collect()
    }

    /// A curve: mean, least and largest of each bucket.
    pub fn curve(&self, which: usize) -> Curve {
        let ranges = || self.buckets.iter().map(|bucket| bucket.values[which]);
        let is_plain = ranges().all(|range| range.count < 2);
        let mean = ranges().map(|range| Number::short(range.sum / range.count as f64));
        let ends = |end: fn(Range) -> f64| match is_plain {
            true => Vec::new(),
            false => ranges().map(|range| Number::short(end(range))).collect(),
        };
        Curve {
            mean: mean.collect(),
            min: ends(|range| range.min),
            max: ends(|range| range.max),
        }
    }

    /// How many values of a curve are not 0, and where: a bucket that has some.
    pub fn marks(&self, which: usize) -> Vec<(Number, u64)> {
        let places = self.places().into_iter().zip(&self.buckets);
        let sums = places.map(|(place, bucket)| (place, bucket.values[which].sum as u64));
        sums.filter(|&(_, count)| count > 0).collect()
    }
}

/// A curve, bucket by bucket.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// Means.
    pub mean: Vec<Number>,
    /// Least values; nothing where they are the means.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub min: Vec<Number>,
    /// Largest values; nothing where they are the means.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub max: Vec<Number>,
}

/// A number as a page holds it: what is none is null.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

impl Number {
    /// With all digits.
    pub fn exact(value: f64) -> Self {
        Self(value)
    }

    /// With five digits that count.
    pub fn short(value: f64) -> Self {
        let rounded = format!("{value:.4e}").parse();
        Self(rounded.unwrap_or(value))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let whole = self.0 as i64;
        match self.0 {
            value if !value.is_finite() => serializer.serialize_none(),
            value if whole as f64 == value => serializer.serialize_i64(whole),
            value => serializer.serialize_f64(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values without order, the same in each call.
    fn values(count: u64) -> impl Iterator<Item = f64> {
        (0..count).map(|at| (at.wrapping_mul(2_654_435_761) % 10_007) as f64 - 5_000.0)
    }

    #[test]
    fn each_bucket_has_the_least_and_largest_of_its_rows() {
        for count in [1, 7, 8, 9, 100, 1_000, 4_096, 4_097] {
            let mut series = Series::<2>::new(8);
            for (at, value) in values(count).enumerate() {
                series.push(at as f64, [value, -value]);
            }
            let all: Vec<f64> = values(count).collect();
            assert!(
                series.buckets.len() <= 8 && (count < 8 || series.buckets.len() > 3),
                "{count}"
            );
            let mut seen = 0;
            for bucket in &series.buckets {
                let rows = &all[bucket.first as usize..=bucket.last as usize];
                assert_eq!((rows.len() as u64, bucket.first), (bucket.rows, seen as f64));
                seen += rows.len();
                let (min, max) = rows
                    .iter()
                    .fold((f64::MAX, f64::MIN), |(min, max), &v| (min.min(v), max.max(v)));
                let [own, mirrored] = bucket.values;
                assert_eq!((own.min, own.max, mirrored.min, mirrored.max), (min, max, -max, -min));
                assert_eq!((own.sum, own.count), (rows.iter().sum(), bucket.rows));
            }
            assert_eq!(seen as u64, count);
        }
    }

    #[test]
    fn memory_does_not_grow() {
        let mut series = Series::<3>::new(64);
        let room = series.buckets.capacity();
        for at in 0..1_000_000 {
            series.push(f64::from(at), [0.5; 3]);
        }
        assert!(series.buckets.len() <= 64 && series.buckets.capacity() <= room);
        assert_eq!(series.buckets.iter().map(|bucket| bucket.rows).sum::<u64>(), 1_000_000);
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let mut series = Series::<1>::new(2);
        for value in [1.0, f64::NAN, 3.0, f64::INFINITY] {
            series.push(0.0, [value]);
        }
        let curve = serde_json::to_string(&series.curve(0)).unwrap();
        assert_eq!(curve, r#"{"mean":[1,3]}"#);
        series.push(0.0, [f64::NAN]);
        let curve = serde_json::to_string(&series.curve(0)).unwrap();
        assert_eq!(curve, r#"{"mean":[2,null],"min":[1,null],"max":[3,null]}"#);
        assert_eq!(Number::short(0.123_456_78), Number(0.123_46));
    }

    #[test]
    fn marks_are_counted_where_they_are() {
        let mut series = Series::<1>::new(4);
        for at in 0..16 {
            series.push(f64::from(at), [f64::from(u8::from(at == 5 || at == 6 || at == 15))]);
        }
        let marks: Vec<(f64, u64)> = series.marks(0).into_iter().map(|(x, count)| (x.0, count)).collect();
        assert_eq!(marks, [(5.5, 2), (13.5, 1)]);
    }
}
