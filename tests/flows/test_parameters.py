"""The parameters of the flows, as Prefect's pages show them."""

from __future__ import annotations

from prefect import Flow
from prefect.flows import load_flow_from_entrypoint

from rollcall.service.scheduling import read_deployments


def test_each_parameter_has_a_description() -> None:
    entry_points = [deployment.entrypoint for deployment in read_deployments()]
    without: dict[str, list[str]] = {}
    for entry_point in [*entry_points, "flows/pipeline.py:pipeline"]:
        assert entry_point
        flow: Flow[..., object] = load_flow_from_entrypoint(entry_point)
        for name, parameter in flow.parameters.properties.items():
            if len(parameter.get("description", "").split()) < 4:
                without.setdefault(flow.name, []).append(name)
    assert without == {}
