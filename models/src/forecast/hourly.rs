//! From slots to hours: the quantiles of the slots in an hour, whatever their order in it.
//!
//! Not here: the forecast of the slots (`bank`, `select`).

use super::rows::{COUNT, LEVELS, Quantiles, Rows, SLOT_LEVELS, Spread};

/// The quantiles of each hour's slots taken together.
pub(super) fn hours(rows: &Rows, per_hour: usize) -> Vec<Quantiles> {
    let mut pool = Pool::default();
    (0..rows.slots() / per_hour)
        .map(|hour| pool.quantiles(rows, hour * per_hour..(hour + 1) * per_hour))
        .collect()
}

/// Where the chance of a slot's value per unit changes: at each of its quantiles.
#[derive(Debug, Clone, Copy)]
struct Bend {
    at: f32,
    /// Change of the mixture's chance per unit.
    slope: f64,
    /// Chance that sits on this very value.
    jump: f64,
}

/// Room for the bends of one hour, used again for the next.
#[derive(Debug, Default)]
struct Pool {
    bends: Vec<Bend>,
}

impl Pool {
    /// The quantiles of the mixture of some slots' distributions.
    ///
    /// A slot's distribution is taken as straight between its quantiles, with the tails beyond them drawn to the
    /// outermost.
    fn quantiles(&mut self, rows: &Rows, slots: std::ops::Range<usize>) -> Quantiles {
        let first = rows.at(slots.start);
        if slots.clone().all(|slot| same(&rows.at(slot), &first)) {
            let [_, p10, p50, p90, p95, _, p99] = first;
            return Quantiles { p10, p50, p90, p95, p99 };
        }
        let share = 1.0 / slots.len() as f64;
        self.bends.clear();
        for slot in slots {
            self.bend(&rows.at(slot), share);
        }
        self.bends.sort_unstable_by(|one, other| one.at.total_cmp(&other.at));
        self.read()
    }

    fn bend(&mut self, spread: &Spread, share: f64) {
        let tail = SLOT_LEVELS[COUNT - 1];
        self.bends.push(Bend { at: spread[0], slope: 0.0, jump: share * SLOT_LEVELS[0] });
        self.bends.push(Bend { at: spread[COUNT - 1], slope: 0.0, jump: share * (1.0 - tail) });
        for level in 1..COUNT {
            let (low, high) = (spread[level - 1], spread[level]);
            let chance = share * (SLOT_LEVELS[level] - SLOT_LEVELS[level - 1]);
            let width = f64::from(high) - f64::from(low);
            if width > 0.0 {
                self.bends.push(Bend { at: low, slope: chance / width, jump: 0.0 });
                self.bends.push(Bend { at: high, slope: -chance / width, jump: 0.0 });
            } else {
                self.bends.push(Bend { at: low, slope: 0.0, jump: chance });
            }
        }
    }

    /// Walks the bends upwards and notes where the chance passes each level.
    fn read(&self) -> Quantiles {
        let mut found = [0.0; LEVELS.len()];
        let mut next = 0;
        let (mut chance, mut slope) = (0.0_f64, 0.0_f64);
        let mut before = self.bends[0].at;
        for bend in &self.bends {
            let width = f64::from(bend.at) - f64::from(before);
            let reached = chance + slope * width;
            while next < LEVELS.len() && reached > LEVELS[next] {
                let way = (LEVELS[next] - chance) / slope;
                found[next] = (f64::from(before) + way.clamp(0.0, width)) as f32;
                next += 1;
            }
            chance = reached + bend.jump;
            while next < LEVELS.len() && chance >= LEVELS[next] {
                found[next] = bend.at;
                next += 1;
            }
            slope += bend.slope;
            before = bend.at;
        }
        found[next..].fill(before);
        Quantiles::from(found)
    }
}

/// Whether two slots have the same quantiles, bit for bit.
fn same(one: &Spread, other: &Spread) -> bool {
    one.iter().zip(other).all(|(one, other)| one.total_cmp(other).is_eq())
}
