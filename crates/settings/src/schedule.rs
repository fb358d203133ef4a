//! Learning rate as a pure function of the global step.
//!
//! The plain names are the curves that their names promise: a linear warm-up from `lr_init` to `lr_max`, then the decay,
//! whose phase starts where the warm-up ends. The `mindspore-` names are the arrays of the MindSpore scripts, element for
//! element, with their slips: the cosine jumps after the warm-up, the linear one collapses to `lr_init`.

use std::f64::consts::PI;

mnasnet_choice::choices! {
    /// How the learning rate falls after the warm-up.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum DecayMode {
        /// A straight line from `lr_max` to `lr_end`.
        Linear = "linear",
        /// Half a cosine from `lr_max` to `lr_end`.
        Cosine = "cosine",
        /// A parabola from `lr_max` to `lr_end`: `(1 - p)^2`.
        Poly = "poly",
        /// `lr_max` times 1, .1, .01, .001 from 0, 30, 60 and 80 % of the run.
        Steps = "steps",
        /// `lr_max` times `lr_decay_rate` at the end of every `lr_decay_epochs` after the warm-up: TensorFlow's MNASNet.
        Exponential = "exponential",
        /// Cosines from `lr_max` to `lr_end`, begun anew after `lr_cycle_epochs`, each cycle `lr_cycle_growth` times as long as the last.
        CosineRestarts = "cosine-restarts",
        /// `lr_max`, and a straight line to `lr_end` over the last part `lr_cooldown` of the run (warm-up, stable, decay).
        Wsd = "wsd",
        /// PyTorch's one-cycle: half a cosine up in the warm-up, half a cosine down to `lr_end`.
        OneCycle = "one-cycle",
        /// MindSpore's `linear`.
        MindsporeLinear = "mindspore-linear",
        /// MindSpore's `cosine`.
        MindsporeCosine = "mindspore-cosine",
        /// MindSpore's `poly`.
        MindsporePoly = "mindspore-poly",
        /// MindSpore's `steps`, without warm-up.
        MindsporeSteps = "mindspore-steps",
        /// MindSpore's default, `other`: a straight line.
        MindsporeOther = "mindspore-other",
    }
}

impl DecayMode {
    /// Whether it is an array of the MindSpore scripts.
    pub fn is_mindspores(self) -> bool {
        self.name().starts_with("mindspore-")
    }
}

/// A learning-rate curve over a whole run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Shape of the decay.
    pub mode: DecayMode,
    /// Rate at step 0 of the warm-up.
    pub lr_init: f64,
    /// Rate at the end of the warm-up.
    pub lr_max: f64,
    /// Rate at the end of the run.
    pub lr_end: f64,
    /// Length of the warm-up in epochs.
    pub warmup_epochs: f64,
    /// Length of the run in epochs.
    pub epochs: usize,
    /// Steps in an epoch.
    pub steps_per_epoch: usize,
    /// Factor of one stair of [`DecayMode::Exponential`].
    pub decay_rate: f64,
    /// Length of one stair in epochs.
    pub decay_epochs: f64,
    /// Length of the first cycle of [`DecayMode::CosineRestarts`] in epochs.
    pub cycle_epochs: f64,
    /// How much longer each cycle is than the one before.
    pub cycle_growth: f64,
    /// Part of the run in which [`DecayMode::Wsd`] falls.
    pub cooldown: f64,
}

impl Schedule {
    /// The same curve, `factor` times as high.
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            lr_init: self.lr_init * factor,
            lr_max: self.lr_max * factor,
            lr_end: self.lr_end * factor,
            ..self
        }
    }

    /// The rate for the 0-based global step `step`, computed in double precision and rounded once.
    pub fn rate(&self, step: u64) -> f32 {
        let per_epoch = self.steps_per_epoch as f64;
        let (total, warmup) = (per_epoch * self.epochs as f64, per_epoch * self.warmup_epochs);
        let (step_f, span) = (step as f64, total - warmup);
        let (init, max, end) = (self.lr_init, self.lr_max, self.lr_end);
        let cosine = |from: f64, to: f64, phase: f64| to + (from - to) * 0.5 * (1.0 + (PI * phase).cos());
        if self.mode == DecayMode::OneCycle {
            // PyTorch's halves meet a step before the warm-up's end.
            let (top, last) = ((warmup - 1.0).max(0.0), total - 1.0);
            let rate = match step_f < top {
                true => cosine(init, max, step_f / top),
                false => cosine(max, end, ((step_f - top) / (last - top).max(1.0)).min(1.0)),
            };
            return rate as f32;
        }
        let warming = step_f < warmup && self.mode != DecayMode::MindsporeSteps;
        if warming {
            // MindSpore's cosine counts its warm-up from one, the others from zero.
            let climbed = step_f
                + if self.mode == DecayMode::MindsporeCosine {
                    1.0
                } else {
                    0.0
                };
            return (init + (max - init) / warmup * climbed) as f32;
        }
        let phase = (step_f - warmup) / span;
        let stairs = || match step_f / total {
            done if done < 0.3 => 1.0,
            done if done < 0.6 => 0.1,
            done if done < 0.8 => 0.01,
            _ => 0.001,
        };
        let rate = match self.mode {
            DecayMode::Linear => max - (max - end) * phase,
            DecayMode::Cosine => cosine(max, end, phase),
            DecayMode::CosineRestarts => {
                let (mut begun, mut cycle) = (0.0, (per_epoch * self.cycle_epochs).max(1.0));
                while step_f - warmup >= begun + cycle {
                    begun += cycle;
                    cycle *= self.cycle_growth;
                }
                cosine(max, end, (step_f - warmup - begun) / cycle)
            }
            DecayMode::Wsd => {
                let fall = (total * self.cooldown).min(span).max(1.0);
                max - (max - end) * ((step_f - (total - fall)) / fall).clamp(0.0, 1.0)
            }
            DecayMode::OneCycle => unreachable!("it has a warm-up of its own"),
            DecayMode::Poly => end + (max - end) * (1.0 - phase).powi(2),
            DecayMode::Steps | DecayMode::MindsporeSteps => max * stairs(),
            DecayMode::Exponential => {
                let stair = ((step_f - warmup) / (per_epoch * self.decay_epochs)).floor();
                max * self.decay_rate.powf(stair)
            }
            DecayMode::MindsporeLinear => {
                let (epochs, epoch) = (self.epochs as f64, (step / self.steps_per_epoch as u64) as f64);
                let knee = epochs - 5.0;
                if epoch < knee {
                    init * (knee - epoch) / knee
                } else {
                    init * (epochs - epoch) / (5.0 * knee)
                }
            }
            DecayMode::MindsporeCosine => {
                let linear = (total - step_f) / span;
                let cosine = 0.5 * (1.0 + (PI * 2.0 * 0.47 * step_f / span).cos());
                max * (linear * cosine + 0.00001)
            }
            DecayMode::MindsporePoly => max * (1.0 - phase).powi(2),
            DecayMode::MindsporeOther => max - (max - end) * (step_f - warmup) / span,
        };
        rate as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(mode: DecayMode, warmup_epochs: f64, epochs: usize, steps_per_epoch: usize) -> Schedule {
        let (lr_init, lr_max, lr_end) = (0.0001, 0.2, 0.00001);
        Schedule {
            mode,
            lr_init,
            lr_max,
            lr_end,
            warmup_epochs,
            epochs,
            steps_per_epoch,
            decay_rate: 0.97,
            decay_epochs: 2.4,
            cycle_epochs: 2.0,
            cycle_growth: 2.0,
            cooldown: 0.2,
        }
    }

    /// Every row of a table of MindSpore's float32 arrays, printed with nine digits.
    fn check_table(table: &str, warmup: f64, epochs: usize, steps_per_epoch: usize) {
        let modes = [
            DecayMode::MindsporeSteps,
            DecayMode::MindsporePoly,
            DecayMode::MindsporeCosine,
            DecayMode::MindsporeLinear,
            DecayMode::MindsporeOther,
        ];
        assert!(table.starts_with("step,steps,poly,cosine,linear,other"));
        let mut rows = 0;
        for row in table.lines().skip(1) {
            let fields: Vec<f64> = row.split(',').map(|field| field.parse().unwrap()).collect();
            for (mode, &expected) in modes.into_iter().zip(&fields[1..]) {
                let rate = seed(mode, warmup, epochs, steps_per_epoch).rate(fields[0] as u64);
                assert_eq!(rate, expected as f32, "{} at step {}", mode.name(), fields[0]);
            }
            rows += 1;
        }
        assert!(rows > 20);
    }

    #[test]
    fn mindspore_arrays_are_met_bit_for_bit() {
        check_table(include_str!("../tests/fixtures/short_warm2_ep8_spe5.csv"), 2.0, 8, 5);
        check_table(include_str!("../tests/fixtures/short_warm0_ep7_spe3.csv"), 0.0, 7, 3);
        check_table(
            include_str!("../tests/fixtures/readme_warm5_ep250_spe625_epoch_ends.csv"),
            5.0,
            250,
            625,
        );
    }

    #[test]
    fn decays_start_at_the_maximum_and_end_at_the_end() {
        for mode in [DecayMode::Linear, DecayMode::Cosine, DecayMode::Poly] {
            let schedule = seed(mode, 2.0, 10, 100);
            assert_eq!(schedule.rate(0), 0.0001, "{}", mode.name());
            assert_eq!(schedule.rate(200), 0.2, "{}", mode.name());
            assert_eq!(schedule.rate(1000), 0.00001, "{}", mode.name());
            assert!(
                (200..1000).all(|step| schedule.rate(step) > schedule.rate(step + 1)),
                "{}",
                mode.name()
            );
        }
        // Half-way values: the line and the cosine meet there, the parabola is at a quarter.
        let half = |mode| {
            Schedule {
                lr_end: 0.0,
                ..seed(mode, 2.0, 10, 100)
            }
            .rate(600)
        };
        assert_eq!(
            (half(DecayMode::Linear), half(DecayMode::Cosine), half(DecayMode::Poly)),
            (0.1, 0.1, 0.05)
        );
    }

    /// PyTorch 2.15's `OneCycleLR(max_lr=.2, total_steps=50, pct_start=.2, div_factor=2000, final_div_factor=10)` and
    /// `CosineAnnealingWarmRestarts(T_0=10, T_mult=2, eta_min=1e-5)`.
    #[test]
    fn cycles_are_pytorchs() {
        let one = seed(DecayMode::OneCycle, 2.0, 10, 5);
        for (step, expected) in [
            (0, 9.999999999998899e-05),
            (1, 0.00612772255244845),
            (5, 0.11740613535780968),
            (8, 0.19397227744755155),
            (9, 0.2),
            (10, 0.19969174878664414),
            (25, 0.13090515435252287),
            (40, 0.023968205469824908),
            (49, 1e-05),
        ] {
            assert!(
                (f64::from(one.rate(step)) - expected).abs() < 1e-8,
                "{step}: {}",
                one.rate(step)
            );
        }
        let restarts = seed(DecayMode::CosineRestarts, 0.0, 20, 5);
        for (step, expected) in [
            (0, 0.2),
            (3, 0.15878058630298586),
            (9, 0.004904103653066122),
            (10, 0.2),
            (20, 0.100005),
            (29, 0.0012411043821892098),
            (30, 0.2),
            (69, 0.0003182512133558693),
            (70, 0.2),
            (99, 0.14186888045505514),
        ] {
            assert!(
                (f64::from(restarts.rate(step)) - expected).abs() < 1e-8,
                "{step}: {}",
                restarts.rate(step)
            );
        }
    }

    #[test]
    fn a_stable_rate_falls_at_the_end() {
        let schedule = seed(DecayMode::Wsd, 1.0, 10, 100);
        let rates = [0, 50, 100, 500, 800, 900, 1000].map(|step| schedule.rate(step));
        assert_eq!(rates, [0.0001, 0.10005, 0.2, 0.2, 0.2, 0.100005, 0.00001]);
    }

    #[test]
    fn stairs() {
        let steps = seed(DecayMode::Steps, 1.0, 10, 100);
        let rates = [0, 50, 100, 299, 300, 599, 600, 799, 800, 999].map(|step| steps.rate(step));
        assert_eq!(
            rates,
            [0.0001, 0.10005, 0.2, 0.2, 0.02, 0.02, 0.002, 0.002, 0.0002, 0.0002]
        );
        let exponential = seed(DecayMode::Exponential, 5.0, 350, 1000);
        let rates = [5000, 7399, 7400, 9799, 9800].map(|step| exponential.rate(step));
        assert_eq!(rates, [0.2, 0.2, 0.194, 0.194, 0.18818]);
    }

    /// The accuracy recipe's own expression (PyTorch script): .1 from .01 over two epochs, then cosine to 0.
    #[test]
    fn accuracy_recipe() {
        let schedule = Schedule {
            lr_init: 0.01,
            lr_max: 0.1,
            lr_end: 0.0,
            ..seed(DecayMode::Cosine, 2.0, 16, 62)
        };
        for (step, expected) in [(0, 0.01), (62, 0.055), (124, 0.1), (558, 0.05), (991, 3.2779e-7)] {
            assert!(
                (schedule.rate(step) - expected).abs() < 1e-9,
                "{step}: {}",
                schedule.rate(step)
            );
        }
    }
}
