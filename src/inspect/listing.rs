//! Pages of objects.
