"""Package of the ROS 2 node; built by colcon. Mien itself is installed with pip."""

from __future__ import annotations

from setuptools import setup

setup(
    name="mien_ros",
    version="0.1.0",
    packages=["mien_ros"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/mien_ros"]),
        ("share/mien_ros", ["package.xml"]),
    ],
    license="MIT",
    description="Publishes faces, expressions and action units of Mien as hri_msgs (REP-155)",
    entry_points={"console_scripts": ["mien_node = mien_ros.node:main"]},
)
