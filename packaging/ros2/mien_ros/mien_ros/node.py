"""The node: ``ros2 run mien_ros mien_node --ros-args -p source:="'0'"``. ROS is imported only when it starts.

A camera's number needs both quotes: the parameter is text.

Parameters: ``source``, ``camera``, ``frame_id``, ``config`` (settings file of `mien serve`), ``publish_crops`` (false).
"""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

from app.engine_cache import EngineCache
from app.live.live_run import open_live_source
from app.serve.config import ServeConfig
from app.serve.service import LiveService
from app.version import app_version
from engine.config import for_live, read_toml
from engine.errors import error_of
from mien_ros.mapping import RosTypes
from mien_ros.output import RosOutput


def main() -> None:
    """Run the node until it is interrupted.

    Raises:
        SystemExit: ROS 2 is not installed here.
    """
    try:
        import rclpy
        from rclpy.qos import qos_profile_system_default
    except ImportError as error:
        raise SystemExit(f"ROS 2 is missing ({error}): source its setup.bash, and install hri_msgs") from None
    rclpy.init()
    node = rclpy.create_node("mien")
    settings = service_settings(node)
    service = LiveService(
        settings,
        EngineCache(for_live(settings.engine), settings.tracker),
        open_live_source,
        app_version(),
        log=node.get_logger().info,
    )
    frame_id = parameter(node, "frame_id", "camera")
    crops = parameter(node, "publish_crops", False)
    output = RosOutput(node, ros_types(), frame_id, qos_profile_system_default, crops)
    errors: list[Exception | None] = []

    def serve() -> None:
        errors.append(error_of(lambda: service.run([output])))
        rclpy.try_shutdown()

    thread = threading.Thread(target=serve, name="mien-service")
    thread.start()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
        pass
    finally:
        service.stop()
        thread.join()
        node.destroy_node()
        rclpy.try_shutdown()
    if errors[0] is not None:
        raise errors[0]


def parameter(node: Any, name: str, default: Any) -> Any:
    """Declare and read a parameter."""
    return node.declare_parameter(name, default).value


def service_settings(node: Any) -> ServeConfig:
    """Settings of the parameters over those of the file.

    Raises:
        ConfigError: the file or a value cannot be used.
    """
    path = parameter(node, "config", "")
    settings = read_toml(ServeConfig, Path(path)) if path else ServeConfig()
    return dataclasses.replace(
        settings,
        source=parameter(node, "source", settings.source),
        camera=parameter(node, "camera", settings.camera),
    )


def ros_types() -> RosTypes:
    """The message classes of this installation of ROS 2."""
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
    from hri_msgs.msg import Expression, FacialActionUnits, IdsList, NormalizedRegionOfInterest2D
    from sensor_msgs.msg import Image
    from vision_msgs.msg import Classification, ObjectHypothesis

    return RosTypes(
        IdsList,
        NormalizedRegionOfInterest2D,
        Expression,
        FacialActionUnits,
        Image,
        Classification,
        ObjectHypothesis,
        DiagnosticArray,
        DiagnosticStatus,
        KeyValue,
    )


if __name__ == "__main__":
    main()
