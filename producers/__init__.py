"""ASK: one attempt, one ProbeResult, one topic. A leaf: it knows no other room."""
