//! edgeward: JWT authentication at the edge.

pub mod core;
