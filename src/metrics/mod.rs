//! Answers to scores: parsing, per-sample scores, aggregates and their intervals. Pure.
