//! Places buffers with known lifetimes in one arena.

use std::ops::Range;

/// A buffer: its bytes, and the first and last moment at which it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub len: usize,
    pub first: usize,
    pub last: usize,
}

/// A place for each buffer such that no two that live at the same moment overlap, and the arena's length. Longest first,
/// each at the lowest multiple of `align` that is free for its whole life. None lies across a multiple of `page`, which is itself a
/// multiple of `align`; none may be longer.
pub(crate) fn place(buffers: &[Lifetime], align: usize, page: usize) -> (Vec<Range<usize>>, usize) {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(buffers[i].len), i));
    let mut places = vec![0..0; buffers.len()];
    let mut placed: Vec<usize> = Vec::new();
    for i in order {
        let buffer = buffers[i];
        let meets = |&&j: &&usize| buffers[j].first <= buffer.last && buffer.first <= buffers[j].last;
        let mut taken: Vec<Range<usize>> = placed.iter().filter(meets).map(|&j| places[j].clone()).collect();
        taken.sort_by_key(|range| range.start);
        let on_a_page = |start: usize| match buffer.len > 0 && start / page < (start + buffer.len - 1) / page {
            true => start.next_multiple_of(page),
            false => start,
        };
        let mut start = 0;
        for range in taken {
            if start + buffer.len <= range.start {
                break;
            }
            start = on_a_page(start.max(range.end.next_multiple_of(align)));
        }
        places[i] = start..start + buffer.len;
        placed.push(i);
    }
    let total = places.iter().map(|range| range.end).max().unwrap_or(0);
    (places, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALIGN: usize = 64;
    const ONE_PAGE: usize = 1 << 40;

    #[test]
    fn buffers_that_live_together_do_not_overlap_and_others_share() {
        let buffer = |len, first, last| Lifetime { len, first, last };
        let buffers = [
            buffer(100, 0, 3),
            buffer(50, 1, 2),
            buffer(100, 4, 5),
            buffer(30, 2, 4),
            buffer(0, 0, 9),
        ];
        let (places, total) = place(&buffers, ALIGN, ONE_PAGE);
        check(&buffers, &places);
        // 100 + 50 + 30 live at moment 2; alignment adds at most a line for each.
        assert!((180..=180 + 3 * ALIGN).contains(&total), "{total}");
    }

    #[test]
    fn no_buffer_lies_across_two_pages() {
        const PAGE: usize = 256;
        let buffers: Vec<Lifetime> = (0..40)
            .map(|i| Lifetime {
                len: i * 53 % 257,
                first: i * 7 % 11,
                last: i * 7 % 11 + i % 5,
            })
            .collect();
        let (places, _) = place(&buffers, ALIGN, PAGE);
        check(&buffers, &places);
        for range in places.iter().filter(|range| !range.is_empty()) {
            assert_eq!(range.start / PAGE, (range.end - 1) / PAGE, "{range:?}");
            assert_eq!(range.start % ALIGN, 0);
        }
    }

    /// Lengths are kept, and what lives together lies apart.
    fn check(buffers: &[Lifetime], places: &[Range<usize>]) {
        for (i, a) in buffers.iter().enumerate() {
            assert_eq!(places[i].len(), a.len);
            for (j, b) in buffers.iter().enumerate().skip(i + 1) {
                let together = a.first <= b.last && b.first <= a.last;
                let overlap = places[i].start < places[j].end && places[j].start < places[i].end;
                assert!(!(together && overlap), "{i} and {j} overlap: {places:?}");
            }
        }
    }
}
