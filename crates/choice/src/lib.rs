//! Choices: enums whose values have names, for settings, files and help texts.
//!
//! The type that a library works with is the setting. One row gives the value, its name and its help:
//!
//! ```
//! mnasnet_choice::choices! {
//!     /// How a sum is rounded.
//!     #[derive(Clone, Copy, Debug, PartialEq, Eq)]
//!     pub enum Rounding {
//!         /// To the nearest number.
//!         Nearest = "nearest",
//!         /// Towards zero.
//!         Down = "down",
//!     }
//! }
//! use mnasnet_choice::Choice;
//!
//! assert_eq!(Rounding::by_name("down"), Some(Rounding::Down));
//! assert_eq!(Rounding::Nearest.name(), "nearest");
//! assert_eq!(Rounding::NAMES[1].help, "Towards zero.");
//! ```

#![forbid(unsafe_code)]

/// How one value is called, and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name in settings and files.
    pub name: &'static str,
    /// The first line of the value's documentation.
    pub help: &'static str,
}

/// An enum of [`choices!`].
pub trait Choice: Copy + PartialEq + 'static {
    /// Every value, in the order of the table.
    const ALL: &'static [Self];
    /// The names of [`Choice::ALL`], in the same order.
    const NAMES: &'static [Named];

    /// The name of this value.
    fn name(self) -> &'static str;

    /// The value called `name`.
    fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.name() == name)
    }
}

/// Defines an enum with a name for each value, as a [`Choice`]. Each value has a documentation line.
#[macro_export]
macro_rules! choices {
    ($(#[$attribute:meta])* pub enum $name:ident {
        $($(#[$($of_value:tt)+])+ $value:ident = $text:literal,)+
    }) => {
        $(#[$attribute])*
        pub enum $name { $($(#[$($of_value)+])+ $value,)+ }

        impl $name {
            /// The name of this value in settings and files.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$value => $text),+ }
            }

            /// The value called `name`.
            pub fn by_name(name: &str) -> Option<Self> {
                <Self as $crate::Choice>::by_name(name)
            }
        }

        impl $crate::Choice for $name {
            const ALL: &'static [Self] = &[$(Self::$value),+];
            const NAMES: &'static [$crate::Named] = &[$($crate::Named {
                name: $text,
                help: $crate::first_line!($([$($of_value)+])+).trim_ascii(),
            }),+];

            fn name(self) -> &'static str {
                self.name()
            }
        }
    };
}

/// The first documentation line among attributes.
#[doc(hidden)]
#[macro_export]
macro_rules! first_line {
    ([doc = $text:literal] $($rest:tt)*) => {
        $text
    };
    ($other:tt $($rest:tt)*) => {
        $crate::first_line!($($rest)*)
    };
}

#[cfg(test)]
mod tests {
    use super::Choice;

    choices! {
        /// A taste.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum Taste {
            /// Sweet.
            /// Like honey.
            Sweet = "sweet",
            #[default]
            /// Sour.
            Sour = "sour-or-so",
        }
    }

    #[test]
    fn values_names_and_helps_stand_in_one_order() {
        assert_eq!(Taste::ALL, [Taste::Sweet, Taste::Sour]);
        for (&value, named) in Taste::ALL.iter().zip(Taste::NAMES) {
            assert_eq!((value.name(), Taste::by_name(named.name)), (named.name, Some(value)));
        }
        assert_eq!(Taste::NAMES[0].help, "Sweet.");
        assert_eq!(Taste::NAMES[1].help, "Sour.");
        assert_eq!(Taste::default(), Taste::Sour);
        assert_eq!(Taste::by_name("Sweet"), None);
    }
}
