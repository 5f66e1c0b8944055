"""The flow, one file per arrow: labelled data → teacher → pseudo-labels → student → evaluation."""
