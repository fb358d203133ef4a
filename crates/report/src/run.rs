//! A run on one page: what lies in the run's folder, read as it grows.
//!
//! [`follow::Follower`] reads a folder, [`data::Data`] is all that is shown of it, and [`page`] and [`crate::plot`] show it. All of it is
//! a function of the folder's files, so that a page that is made while a run trains, after it, or beside it is the same page. Memory and
//! the page's size do not depend on the run's length ([`series`]).

pub mod classes;
pub mod data;
pub mod follow;
pub mod line;
pub mod page;
pub mod series;
