"""Many databases from one file, each judged in a process of its own, and one scorecard of all of them."""
