//! The optimizers as data: the state that each keeps, and the settings that it reads.

mnasnet_choice::choices! {
    /// An update rule, by name.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum OptimizerKind {
        /// RMSProp as TensorFlow and MindSpore have it.
        RmsProp = "rmsprop",
        /// Gradient descent with momentum.
        Sgd = "sgd",
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
        }
    }

    /// The state that it keeps, in the order of its update.
    pub const fn slots(self) -> &'static [Slot] {
        self.row().0
    }

    /// Names of the settings that it reads, where not all optimizers do by nature, as they read the learning rate.
    pub const fn settings(self) -> &'static [&'static str] {
        self.row().1
    }
}
