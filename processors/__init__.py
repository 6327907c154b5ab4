"""Understanding: pure functions and small classes. No Faust, no I/O, no clock."""
