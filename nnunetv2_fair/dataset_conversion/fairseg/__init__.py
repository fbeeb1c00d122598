"""fairseg."""
