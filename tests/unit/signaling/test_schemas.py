from ringline.protocol import resources
from signaling.schemas import schemas_of


def test_types_are_referred_to_by_name() -> None:
    listed, components = schemas_of([resources.NewDevice, resources.Verification])
    assert listed[0] == {"$ref": "#/components/schemas/NewDevice"}
    device = components["Verification"]["properties"]["device"]
    assert device == {"$ref": "#/components/schemas/NewDevice"}
    assert list(components) == sorted(components)
