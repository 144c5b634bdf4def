"""The fifteen common corruptions of ImageNet-C and CIFAR-C for grey images."""
