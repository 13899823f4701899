//! secagg
