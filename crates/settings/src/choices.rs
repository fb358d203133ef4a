//! Choices that are settings alone; those of other crates are the settings themselves.

use mnasnet_choice::choices;

choices! {
    /// Which tensors weight decay pulls to zero.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum DecayScope {
        /// Weights of convolutions and dense layers only.
        Weights = "weights",
        /// All but batch norm's gamma and beta: MindSpore's rule, which decays biases.
        Mindspore = "mindspore",
        /// Every parameter.
        All = "all",
    }
}

choices! {
    /// Mean and standard deviation that pixels are normalised with.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Norm {
        /// ImageNet's.
        Imagenet = "imagenet",
        /// 127.5 and 127.5.
        Mindspore = "mindspore",
    }
}

choices! {
    /// What becomes of the learning rate where several ranks train.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum LrScaling {
        /// It is as set.
        None = "none",
        /// It is multiplied by the number of ranks, as the images of a step are (Goyal et al., 2017, arXiv:1706.02677).
        Linear = "linear",
    }
}
