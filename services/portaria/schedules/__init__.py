"""What a schedule is: checked, sealed, caught up; the same for the door and for schedulers."""
