//! The optimizers as data: the state that each keeps, and the settings that it reads.

mnasnet_choice::choices! {
    /// An update rule, by name.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum OptimizerKind {
        /// RMSProp as TensorFlow and MindSpore have it.
        RmsProp = "rmsprop",
        /// Gradient descent with momentum.
        Sgd = "sgd",
        /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019), as PyTorch has it.
        AdamW = "adamw",
        /// The sign of a momentum, with decoupled weight decay (Chen et al., 2023).
        Lion = "lion",
    }
}

/// A vector of state: one float32 for each parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    /// The name in checkpoints, which is MindSpore's.
    pub name: &'static str,
    /// The value that it starts with.
    pub initial: f32,
}

impl OptimizerKind {
    /// The state that it keeps, in the order of its update, and the settings that it reads.
    const fn row(self) -> (&'static [Slot], &'static [&'static str]) {
        match self {
            Self::RmsProp => (
                &[
                    Slot {
                        name: "mean_square",
                        initial: 1.0,
                    },
                    Slot {
                        name: "moment",
                        initial: 0.0,
                    },
                ],
                &["momentum", "opt_decay", "opt_eps"],
            ),
            Self::Sgd => (
                &[Slot {
                    name: "accum",
                    initial: 0.0,
                }],
                &["momentum", "nesterov"],
            ),
            Self::AdamW => (
                &[
                    Slot {
                        name: "adam_m",
                        initial: 0.0,
                    },
                    Slot {
                        name: "adam_v",
                        initial: 0.0,
                    },
                ],
                &["adam_beta1", "adam_beta2", "adam_eps"],
            ),
            Self::Lion => (
                &[Slot {
                    name: "lion_m",
                    initial: 0.0,
                }],
                &["lion_beta1", "lion_beta2"],
            ),
        }
    }

    /// The state that it keeps, in the order of its update.
    pub const fn slots(self) -> &'static [Slot] {
        self.row().0
    }

    /// What settings that all optimizers read are for it where nobody says otherwise. The table's own defaults are for the rest.
    pub const fn defaults(self) -> &'static [(&'static str, f64)] {
        match self {
            Self::RmsProp | Self::Sgd => &[],
            // PyTorch's. The warm-up begins at a tenth, as with the others.
            Self::AdamW => &[("lr_init", 1e-4), ("lr_max", 1e-3), ("weight_decay", 1e-2)],
            // A tenth of the rate and ten times the decay of AdamW: section 5 of the paper.
            Self::Lion => &[("lr_init", 1e-5), ("lr_max", 1e-4), ("weight_decay", 1e-1)],
        }
    }

    /// Names of the settings that it reads, where not all optimizers do by nature, as they read the learning rate.
    pub const fn settings(self) -> &'static [&'static str] {
        self.row().1
    }
}
