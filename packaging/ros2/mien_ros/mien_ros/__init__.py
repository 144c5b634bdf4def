"""Mien as a ROS 2 node in the conventions of ROS4HRI (REP-155)."""
